/*
 * A power cut, for tests: LD_PRELOAD this, and a folder is copied as a disk that lost everything unsynced would hold it.
 *
 * FSYNC_SHIM_FROM names the folder watched (its own entries, not those of folders below it), FSYNC_SHIM_TO an empty
 * folder with the folders `content` and `names` in it. After each fsync or fdatasync that succeeds:
 *   - of a file: its bytes are copied to content/INODE, replacing what was there;
 *   - of the folder: names/ becomes what the folder now lists, each name a link to its content/INODE.
 * A file created, renamed or unlinked is so to a later reader only once the folder was synced. A name without content
 * is a file that was never synced: it is empty.
 *
 * FSYNC_SHIM_DIE_AFTER=N kills the process (SIGKILL) right after the Nth of those syncs, for a cut at a chosen point.
 *
 * Simplified: a real disk may also keep some of what was not synced, and torn; here it keeps none of it. The folder
 * itself is taken to be there. An inode number that is used again within one run keeps the old bytes until it is synced.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    _exit(99); /* a test must not pass on a shim that did not work */
}

static void keep_content(int fd, const struct stat *file, const char *to)
{
    char path[PATH_MAX], part[PATH_MAX + 8];
    static char buffer[1 << 16];
    snprintf(path, sizeof path, "%s/content/%lu", to, (unsigned long)file->st_ino);
    snprintf(part, sizeof part, "%s.part", path);
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0)
        fail("fsync shim: open");
    /* Read through the descriptor we were given: closing another one would drop the process's locks on the file.
       Only one that cannot be read from is opened anew: SQLite, which has locks, never has such. */
    int reader = fd;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        snprintf(part, sizeof part, "/proc/self/fd/%d", fd);
        if ((reader = open(part, O_RDONLY)) < 0)
            fail("fsync shim: open to read");
        snprintf(part, sizeof part, "%s.part", path);
    }
    off_t at = 0;
    ssize_t got;
    while ((got = pread(reader, buffer, sizeof buffer, at)) > 0) {
        if (write(out, buffer, (size_t)got) != got)
            fail("fsync shim: write");
        at += got;
    }
    if (got < 0)
        fail("fsync shim: pread");
    if (reader != fd)
        close(reader);
    close(out);
    if (rename(part, path) != 0)
        fail("fsync shim: rename");
}

static void keep_names(const char *from, const char *to)
{
    char path[PATH_MAX], names[PATH_MAX], target[64], part[PATH_MAX];
    struct dirent *entry;
    struct stat file;
    snprintf(names, sizeof names, "%s/names", to);
    DIR *folder = opendir(from);
    if (folder == NULL)
        fail("fsync shim: opendir");
    while ((entry = readdir(folder)) != NULL) { /* first the new names, then away with the old: a rename loses none */
        snprintf(path, sizeof path, "%s/%s", from, entry->d_name);
        if (lstat(path, &file) != 0 || !S_ISREG(file.st_mode))
            continue;
        snprintf(target, sizeof target, "../content/%lu", (unsigned long)file.st_ino);
        snprintf(part, sizeof part, "%s/link.part", to);
        snprintf(path, sizeof path, "%s/names/%s", to, entry->d_name);
        unlink(part);
        if (symlink(target, part) != 0 || rename(part, path) != 0)
            fail("fsync shim: symlink");
    }
    closedir(folder);
    if ((folder = opendir(names)) == NULL)
        fail("fsync shim: opendir");
    while ((entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", from, entry->d_name);
        if (lstat(path, &file) == 0 || errno != ENOENT)
            continue;
        snprintf(path, sizeof path, "%s/names/%s", to, entry->d_name);
        unlink(path);
    }
    closedir(folder);
}

static void synced(int fd)
{
    static long count = 0;
    const char *from = getenv("FSYNC_SHIM_FROM"), *to = getenv("FSYNC_SHIM_TO");
    const char *die_after = getenv("FSYNC_SHIM_DIE_AFTER");
    char link[64], path[PATH_MAX];
    struct stat file;
    if (from == NULL || to == NULL)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(fd, &file) != 0)
        return;
    path[length] = '\0';
    if (S_ISDIR(file.st_mode)) {
        if (strcmp(path, from) != 0)
            return;
        keep_names(from, to);
    } else {
        size_t prefix = strlen(from);
        if (strncmp(path, from, prefix) != 0 || path[prefix] != '/' || !S_ISREG(file.st_mode))
            return;
        keep_content(fd, &file, to);
    }
    if (die_after != NULL && ++count >= atol(die_after))
        kill(getpid(), SIGKILL);
}

static int pass_on(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    int error = errno;
    if (result == 0)
        synced(fd);
    errno = error;
    return result;
}

int fsync(int fd)
{
    return pass_on("fsync", fd);
}

int fdatasync(int fd)
{
    return pass_on("fdatasync", fd);
}
