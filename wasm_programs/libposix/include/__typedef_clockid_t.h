/* clockid_t as a number, as programs expect: they keep it in an int and switch over it. wasi-libc has a pointer here;
 * libposix's clock functions understand both, so that objects built without this header go on working. */
#ifndef __wasilibc___typedef_clockid_t_h
#define __wasilibc___typedef_clockid_t_h

typedef int clockid_t;

#endif
