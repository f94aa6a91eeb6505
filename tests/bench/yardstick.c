/* SPDX-License-Identifier: Apache-2.0 */
/* The floor under signing, in one small process with nothing of ours in it:
 *   yardstick file IN OUT KEY          read and hash once, write once, one signature
 *   yardstick copy IN OUT              read, hash, write
 *   yardstick zip IN OUT KEY           every .dll/.exe/.msi entry: inflate, hash, sign, append 8
 * KiB, deflate at level 6; all else copied as it stands yardstick run REPORT PROGRAM ...   runs a
 * program, writes its CPU seconds and peak KiB to REPORT: a small parent, because a child's peak
 * begins with its parent's Not a signer: the ZIP holds the right amount of right work, `unzip -t`
 * accepts it. */
#include <fcntl.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, BLOB = 8192 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static EVP_PKEY *load_key(const char *path)
{
    FILE *f = fopen(path, "r");
    EVP_PKEY *k = f == NULL ? NULL : PEM_read_PrivateKey(f, NULL, NULL, NULL);
    if (k == NULL)
        die(path);
    (void)fclose(f);
    return k;
}

static size_t sign(EVP_PKEY *k, const unsigned char *digest, unsigned char *to, size_t room)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
    if (EVP_PKEY_sign_init(c) <= 0 || EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) <= 0 ||
        EVP_PKEY_sign(c, to, &room, digest, 32) <= 0)
        die("sign");
    EVP_PKEY_CTX_free(c);
    return room;
}

static int run_file(const char *in_path, const char *out_path, const char *key)
{
    int in = open(in_path, O_RDONLY), out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    unsigned char *piece = malloc(PIECE), digest[32], signature[1024];
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    ssize_t n;
    if (in < 0 || out < 0 || piece == NULL || EVP_DigestInit_ex(m, EVP_sha256(), NULL) != 1)
        die("open");
    while ((n = read(in, piece, PIECE)) > 0)
        if (EVP_DigestUpdate(m, piece, (size_t)n) != 1 || write(out, piece, (size_t)n) != n)
            die("write");
    (void)EVP_DigestFinal_ex(m, digest, NULL);
    if (key != NULL) {
        EVP_PKEY *k = load_key(key);
        size_t len = sign(k, digest, signature, sizeof signature);
        if (write(out, signature, len) != (ssize_t)len)
            die("write");
    }
    return 0;
}

static uint32_t le(const unsigned char *p, int n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static void put(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

struct packer {
    struct libdeflate_compressor *deflate;
    struct libdeflate_decompressor *inflate;
    EVP_PKEY *key;
};

static size_t touch(struct packer *p, const unsigned char *data, size_t packed, size_t size,
                    unsigned char **ret, uint32_t *ret_crc)
{
    unsigned char *plain = calloc(1, size + BLOB), digest[32];
    size_t room = size + BLOB + 65536;
    *ret = malloc(room);
    if (plain == NULL || *ret == NULL ||
        libdeflate_deflate_decompress(p->inflate, data, packed, plain, size, NULL) != 0 ||
        EVP_Digest(plain, size, digest, NULL, EVP_sha256(), NULL) != 1)
        die("entry");
    (void)sign(p->key, digest, plain + size, BLOB);
    *ret_crc = libdeflate_crc32(0, plain, size + BLOB);
    size_t n = libdeflate_deflate_compress(p->deflate, plain, size + BLOB, *ret, room);
    free(plain);
    return n;
}

static int run_zip(const char *in_path, const char *out_path, const char *key)
{
    struct stat st;
    int in = open(in_path, O_RDONLY), out = open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (in < 0 || out < 0 || fstat(in, &st) != 0)
        die("open");
    size_t size = (size_t)st.st_size;
    unsigned char *z = mmap(NULL, size, PROT_READ, MAP_PRIVATE, in, 0);
    unsigned char *end = z + size - 22;
    uint32_t count = le(end + 10, 2), directory_size = le(end + 12, 4), at = 0;
    unsigned char *directory = malloc(directory_size + 22), *r = directory;
    memcpy(directory, z + le(end + 16, 4), directory_size);
    struct packer p = {libdeflate_alloc_compressor(6), libdeflate_alloc_decompressor(),
                       load_key(key)};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t name = le(r + 28, 2), packed = le(r + 20, 4), header = le(r + 42, 4);
        uint32_t head = 30 + le(z + header + 26, 2) + le(z + header + 28, 2);
        bool pe = memcmp(r + 46 + name - 4, ".dll", 4) == 0 ||
                  memcmp(r + 46 + name - 4, ".exe", 4) == 0 ||
                  memcmp(r + 46 + name - 4, ".msi", 4) == 0;
        unsigned char local[4096], *data = z + header + head;
        uint32_t crc = le(r + 16, 4);
        size_t n = packed;
        memcpy(local, z + header, head);
        if (pe) {
            n = touch(&p, data, packed, le(r + 24, 4), &data, &crc);
            put(r + 16, crc);
            put(r + 20, (uint32_t)n);
            put(r + 24, le(r + 24, 4) + BLOB);
            memcpy(local + 14, r + 16, 12);
        }
        put(r + 42, at);
        if (write(out, local, head) != (ssize_t)head || write(out, data, n) != (ssize_t)n)
            die("write");
        if (pe)
            free(data);
        at += head + (uint32_t)n;
        r += 46 + name + le(r + 30, 2) + le(r + 32, 2);
    }
    memcpy(directory + directory_size, end, 22);
    put(directory + directory_size + 16, at);
    if (write(out, directory, directory_size + 22) != (ssize_t)directory_size + 22)
        die("write");
    return 0;
}

static int run_program(const char *report, char **argv)
{
    struct rusage u;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    FILE *f = fopen(report, "w");
    if (f == NULL || wait4(pid, &status, 0, &u) != pid)
        die("run");
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    (void)fprintf(f, "%.6f %ld\n", cpu, u.ru_maxrss);
    (void)fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "run") == 0)
        return run_program(argv[2], argv + 3);
    if (argc == 5 && strcmp(argv[1], "file") == 0)
        return run_file(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "copy") == 0)
        return run_file(argv[2], argv[3], NULL);
    if (argc == 5 && strcmp(argv[1], "zip") == 0)
        return run_zip(argv[2], argv[3], argv[4]);
    (void)fprintf(stderr, "usage: yardstick file|copy|zip IN OUT [KEY]\n");
    return 2;
}
