/* The one part of <sys/sysinfo.h> that has an answer: one processor. */
#ifndef LIBPOSIX_SYS_SYSINFO_H
#define LIBPOSIX_SYS_SYSINFO_H

#ifdef __cplusplus
extern "C" {
#endif

int get_nprocs(void);
int get_nprocs_conf(void);

#ifdef __cplusplus
}
#endif

#endif
