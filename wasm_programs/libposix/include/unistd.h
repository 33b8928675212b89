/* wasi-libc's <unistd.h> plus what it leaves out. What cannot be done here (fork, exec, another user) is declared, and
 * answers with the error POSIX gives. */
#ifndef LIBPOSIX_UNISTD_H
#define LIBPOSIX_UNISTD_H

#ifndef _WASI_EMULATED_GETPID
#define _WASI_EMULATED_GETPID
#endif
#include_next <unistd.h>

/* wasi-libc says it has these; shells, spawning, other users' processes and shared memory it has not. */
#define _POSIX_MAPPED_FILES _POSIX_VERSION
#define _POSIX_SAVED_IDS 1
#define _POSIX_JOB_CONTROL 1

#ifdef __cplusplus
extern "C" {
#endif

int pipe(int[2]);
int pipe2(int[2], int);
int dup(int);
int dup2(int, int);
int dup3(int, int, int);

int chown(const char *, uid_t, gid_t);
int fchown(int, uid_t, gid_t);
int lchown(const char *, uid_t, gid_t);
int fchownat(int, const char *, uid_t, gid_t, int);
int fchdir(int);
char *get_current_dir_name(void);
int euidaccess(const char *, int);
int eaccess(const char *, int);
void sync(void);
int syncfs(int);
ssize_t copy_file_range(int, off_t *, int, off_t *, size_t, unsigned);

unsigned alarm(unsigned);
int pause(void);

pid_t fork(void);
pid_t _Fork(void);
pid_t vfork(void);
int execve(const char *, char *const[], char *const[]);
int execv(const char *, char *const[]);
int execle(const char *, const char *, ...);
int execl(const char *, const char *, ...);
int execvp(const char *, char *const[]);
int execvpe(const char *, char *const[], char *const[]);
int execlp(const char *, const char *, ...);
int fexecve(int, char *const[], char *const[]);
int daemon(int, int);

pid_t getppid(void);
pid_t getpgrp(void);
pid_t getpgid(pid_t);
int setpgid(pid_t, pid_t);
int setpgrp(void);
pid_t setsid(void);
pid_t getsid(pid_t);
pid_t gettid(void);

uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
int getgroups(int, gid_t[]);
int setuid(uid_t);
int seteuid(uid_t);
int setgid(gid_t);
int setegid(gid_t);
int setreuid(uid_t, uid_t);
int setregid(gid_t, gid_t);
int setresuid(uid_t, uid_t, uid_t);
int setresgid(gid_t, gid_t, gid_t);
int getresuid(uid_t *, uid_t *, uid_t *);
int getresgid(gid_t *, gid_t *, gid_t *);
int setgroups(size_t, const gid_t *);
int issetugid(void);

char *ttyname(int);
int ttyname_r(int, char *, size_t);
pid_t tcgetpgrp(int);
int tcsetpgrp(int, pid_t);
int chroot(const char *);
int nice(int);
int getdtablesize(void);
int sethostname(const char *, size_t);
int getdomainname(char *, size_t);
int setdomainname(const char *, size_t);
int lockf(int, int, off_t);
char *getpass(const char *);
int brk(void *);
int acct(const char *);
int vhangup(void);

#ifdef __cplusplus
}
#endif

#endif
