/* wasi-libc's <setjmp.h>, with sigsetjmp and _setjmp as macros: a call to setjmp must stand in the function that calls
 * it. The mask of signals is kept by sigsetjmp(env, 1) and put back by siglongjmp. */
#ifndef LIBPOSIX_SETJMP_H
#define LIBPOSIX_SETJMP_H

#include_next <setjmp.h>

#ifdef __cplusplus
extern "C" {
#endif

void __libposix_save_mask(void *, int);
void __libposix_restore_mask(void *);

#ifdef __cplusplus
}
#endif

#define sigsetjmp(env, save) (__libposix_save_mask((env), (save)), setjmp(env))
#define siglongjmp(env, value) (__libposix_restore_mask(env), longjmp((env), (value)))
#define _setjmp(env) setjmp(env)
#define _longjmp(env, value) longjmp((env), (value))

#endif
