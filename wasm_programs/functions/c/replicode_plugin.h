/* What a function can import. docs/functions/PLUGIN_DEVELOPMENT.md says what each does. */
#ifndef REPLICODE_PLUGIN_H
#define REPLICODE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define FN_IMPORT(name) __attribute__((import_module("host"), import_name(name)))
#define FN_EXPORT(name) __attribute__((export_name(name), visibility("default")))

FN_IMPORT("log") void fn_log(const uint8_t *line, size_t len);
/* The length of the value, or -1; fn_read gives the bytes. */
FN_IMPORT("get_state") int32_t fn_get_state(const uint8_t *key, size_t key_len);
FN_IMPORT("read") int32_t fn_read(uint8_t *to, size_t cap);
FN_IMPORT("set_state") void fn_set_state(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len);
/* 1 if it was there. */
FN_IMPORT("delete_state") int32_t fn_delete_state(const uint8_t *key, size_t key_len);
/* The length of a list of keys, each behind its length in four bytes; fn_read gives it. */
FN_IMPORT("list_state") int32_t fn_list_state(const uint8_t *prefix, size_t prefix_len);
FN_IMPORT("output") void fn_output(const uint8_t *bytes, size_t len);
FN_IMPORT("fuel_left") int64_t fn_fuel_left(void);
FN_IMPORT("error") void fn_error(const uint8_t *message, size_t len);
/* The length of the other function's output, which fn_read gives; -1 if there is none of that name, -2 if it failed. */
FN_IMPORT("call") int32_t fn_call(const uint8_t *name, size_t name_len, const uint8_t *input, size_t input_len);

/* The entry point: 0 is success. The input stands behind the module's own memory. */
FN_EXPORT("process") int32_t process(uint8_t *input, size_t len);

#endif
