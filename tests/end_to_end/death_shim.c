/*
 * Death at a chosen point, for tests: LD_PRELOAD this, and the process kills itself (SIGKILL) around the commit that
 * writes a word. DEATH_WORD is what to look for in what is written at a position (as SQLite does it), DEATH_AT says when:
 *   write   before it is written
 *   sync    it is written; before it is synced
 *   synced  it is synced; before anything else happens
 * Beside fsync_shim.c name this one first: `synced` then means that the other has taken note of the sync too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static volatile int written = 0;

static int is_set(const char *when)
{
    const char *at = getenv("DEATH_AT");
    return at != NULL && strcmp(at, when) == 0;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void look(const void *bytes, size_t length)
{
    const char *word = getenv("DEATH_WORD");
    if (written || word == NULL || memmem(bytes, length, word, strlen(word)) == NULL)
        return;
    if (is_set("write"))
        die();
    written = 1;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    look(bytes, length);
    return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at)
{
    look(bytes, length);
    return ((ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, bytes, length, at);
}

static int synced(const char *name, int fd)
{
    if (written && is_set("sync"))
        die();
    int result = ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    if (written && is_set("synced"))
        die();
    return result;
}

int fsync(int fd)
{
    return synced("fsync", fd);
}

int fdatasync(int fd)
{
    return synced("fdatasync", fd);
}
