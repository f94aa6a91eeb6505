/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_faults.h"

#ifdef CHANCERY_FAULTS
#include "base/fault.h"
#include <pthread.h>
#include <sqlite3.h>

/* The real file lies behind ours, in the same memory that SQLite gave. */
struct file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

static int f_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return fault_now() ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), to, n, at);
}

static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    if (!fault_now())
        return real(f)->pMethods->xWrite(real(f), from, n, at);
    /* As a full disk does: half of it is there. */
    (void)real(f)->pMethods->xWrite(real(f), from, n / 2, at);
    return SQLITE_FULL;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fault_now() ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    return fault_now() ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int f_reserved(sqlite3_file *f, int *ret)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int f_characteristics(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int f_shm_unmap(sqlite3_file *f, int delete)
{
    return real(f)->pMethods->xShmUnmap(real(f), delete);
}

/* Version 2: without memory mapping, which would go past us. */
static const sqlite3_io_methods methods = {2,
                                           f_close,
                                           f_read,
                                           f_write,
                                           f_truncate,
                                           f_sync,
                                           f_size,
                                           f_lock,
                                           f_unlock,
                                           f_reserved,
                                           f_control,
                                           f_sector,
                                           f_characteristics,
                                           f_shm_map,
                                           f_shm_lock,
                                           f_shm_barrier,
                                           f_shm_unmap};

static sqlite3_vfs *usual;
static sqlite3_vfs ours;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct file *file = (struct file *)f;
    (void)vfs;
    file->base.pMethods = NULL;
    file->real = (sqlite3_file *)(void *)(file + 1);
    file->real->pMethods = NULL;
    if (fault_now())
        return SQLITE_CANTOPEN;
    int code = usual->xOpen(usual, name, file->real, flags, ret_flags);
    if (file->real->pMethods != NULL)
        file->base.pMethods = &methods;
    return code;
}

static void register_ours(void)
{
    usual = sqlite3_vfs_find(NULL);
    ours = *usual;
    ours.zName = "faults";
    ours.szOsFile = usual->szOsFile + (int)sizeof(struct file);
    ours.xOpen = f_open;
    (void)sqlite3_vfs_register(&ours, 0);
}

const char *sqlite_faults_vfs(void)
{
    (void)pthread_once(&once, register_ours);
    return "faults";
}
#endif
