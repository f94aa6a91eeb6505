/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SQLITE_FAULTS_H
#define STORE_SQLITE_FAULTS_H

/* In builds with -Dfaults=true: SQLite's reads, writes, truncations and syncs ask base/fault, so
 * that the n-th of them fails as a disk would. The name of the VFS, or NULL for the usual one. */
#ifdef CHANCERY_FAULTS
const char *sqlite_faults_vfs(void);
#else
static inline const char *sqlite_faults_vfs(void)
{
    return 0;
}
#endif
#endif
