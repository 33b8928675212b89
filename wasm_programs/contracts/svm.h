/* What a contract can import. Made by: cargo run -p replicode-contracts --example host_functions
 * Every function is described in docs/contracts-abi.md; pointers are given as svm_at(pointer). */
#ifndef SVM_H
#define SVM_H

#include <stdint.h>

#define svm_at(pointer) ((uint32_t)(uintptr_t)(pointer))
#define SVM_EXPORT(name) __attribute__((export_name(#name))) void name(void)
#define SVM_IMPORT(name) __attribute__((import_module("svm"), import_name(name)))

/* Storage */
SVM_IMPORT("get32") uint32_t svm_get32(uint32_t slice);
SVM_IMPORT("set32") void svm_set32(uint32_t slice, uint32_t value);
SVM_IMPORT("get64") uint64_t svm_get64(uint32_t slice);
SVM_IMPORT("set64") void svm_set64(uint32_t slice, uint64_t value);
SVM_IMPORT("get32_be") uint32_t svm_get32_be(uint32_t slice);
SVM_IMPORT("set32_be") void svm_set32_be(uint32_t slice, uint32_t value);
SVM_IMPORT("get64_be") uint64_t svm_get64_be(uint32_t slice);
SVM_IMPORT("set64_be") void svm_set64_be(uint32_t slice, uint64_t value);
SVM_IMPORT("slice_len") uint32_t svm_slice_len(uint32_t slice);
SVM_IMPORT("load") void svm_load(uint32_t slice, uint32_t offset, uint32_t to, uint32_t len);
SVM_IMPORT("store") void svm_store(uint32_t slice, uint32_t offset, uint32_t from, uint32_t len);
SVM_IMPORT("load_many") void svm_load_many(uint32_t list, uint32_t count);
SVM_IMPORT("store_many") void svm_store_many(uint32_t list, uint32_t count);

/* Registers */
SVM_IMPORT("reg_load") void svm_reg_load(uint32_t bits, uint32_t index, uint32_t from, uint32_t len);
SVM_IMPORT("reg_store") void svm_reg_store(uint32_t bits, uint32_t index, uint32_t offset, uint32_t to, uint32_t len);
SVM_IMPORT("reg_replace") void svm_reg_replace(uint32_t bits, uint32_t index, uint32_t offset, uint32_t from, uint32_t len);
SVM_IMPORT("reg_from_slice") void svm_reg_from_slice(uint32_t bits, uint32_t index, uint32_t slice, uint32_t offset, uint32_t len);
SVM_IMPORT("reg_to_slice") void svm_reg_to_slice(uint32_t bits, uint32_t index, uint32_t slice, uint32_t offset, uint32_t len);
SVM_IMPORT("reg_copy") uint32_t svm_reg_copy(uint32_t to_bits, uint32_t to, uint32_t from_bits, uint32_t from);
SVM_IMPORT("reg_get32") uint32_t svm_reg_get32(uint32_t bits, uint32_t index, uint32_t offset, uint32_t big);
SVM_IMPORT("reg_set32") void svm_reg_set32(uint32_t bits, uint32_t index, uint32_t offset, uint32_t big, uint32_t value);
SVM_IMPORT("reg_get64") uint64_t svm_reg_get64(uint32_t bits, uint32_t index, uint32_t offset, uint32_t big);
SVM_IMPORT("reg_set64") void svm_reg_set64(uint32_t bits, uint32_t index, uint32_t offset, uint32_t big, uint64_t value);
SVM_IMPORT("reg_compare") uint32_t svm_reg_compare(uint32_t a_bits, uint32_t a, uint32_t b_bits, uint32_t b);
SVM_IMPORT("reg_add") uint32_t svm_reg_add(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_sub") uint32_t svm_reg_sub(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_mul") uint32_t svm_reg_mul(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_div") void svm_reg_div(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_rem") void svm_reg_rem(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_mulmod") void svm_reg_mulmod(uint32_t bits, uint32_t to, uint32_t a, uint32_t b, uint32_t m);
SVM_IMPORT("reg_pow") uint32_t svm_reg_pow(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_shl") uint32_t svm_reg_shl(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_shr") uint32_t svm_reg_shr(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_and") void svm_reg_and(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_or") void svm_reg_or(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_xor") void svm_reg_xor(uint32_t bits, uint32_t to, uint32_t a, uint32_t b);
SVM_IMPORT("reg_not") void svm_reg_not(uint32_t bits, uint32_t to, uint32_t a);

/* Collections and counters */
SVM_IMPORT("open") uint32_t svm_open(uint32_t slice);
SVM_IMPORT("open_key") uint32_t svm_open_key(uint32_t map, uint32_t key, uint32_t key_len);
SVM_IMPORT("open_at") uint32_t svm_open_at(uint32_t list, uint64_t index);
SVM_IMPORT("create_key") uint32_t svm_create_key(uint32_t map, uint32_t kind, uint32_t key, uint32_t key_len);
SVM_IMPORT("create_at_end") uint32_t svm_create_at_end(uint32_t list, uint32_t kind);
SVM_IMPORT("len") uint64_t svm_len(uint32_t collection);
SVM_IMPORT("list_get") uint32_t svm_list_get(uint32_t list, uint64_t index, uint32_t to, uint32_t cap);
SVM_IMPORT("list_set") void svm_list_set(uint32_t list, uint64_t index, uint32_t from, uint32_t len);
SVM_IMPORT("list_push") uint64_t svm_list_push(uint32_t list, uint32_t from, uint32_t len);
SVM_IMPORT("list_pop") uint32_t svm_list_pop(uint32_t list, uint32_t to, uint32_t cap);
SVM_IMPORT("list_swap_remove") void svm_list_swap_remove(uint32_t list, uint64_t index);
SVM_IMPORT("list_iterate") uint32_t svm_list_iterate(uint32_t list, uint64_t start, uint32_t backward, uint32_t limit, uint32_t to, uint32_t cap);
SVM_IMPORT("map_get") uint32_t svm_map_get(uint32_t map, uint32_t key, uint32_t key_len, uint32_t to, uint32_t cap);
SVM_IMPORT("map_insert") uint32_t svm_map_insert(uint32_t map, uint32_t key, uint32_t key_len, uint32_t from, uint32_t len);
SVM_IMPORT("map_iterate") uint32_t svm_map_iterate(uint32_t map, uint32_t from, uint32_t from_len, uint32_t end, uint32_t end_len, uint32_t flags, uint32_t limit, uint32_t to, uint32_t cap);
SVM_IMPORT("set_insert") uint32_t svm_set_insert(uint32_t set, uint32_t key, uint32_t key_len);
SVM_IMPORT("contains") uint32_t svm_contains(uint32_t collection, uint32_t key, uint32_t key_len);
SVM_IMPORT("remove") uint32_t svm_remove(uint32_t collection, uint32_t key, uint32_t key_len);
SVM_IMPORT("keys") uint32_t svm_keys(uint32_t collection, uint32_t from, uint32_t from_len, uint32_t end, uint32_t end_len, uint32_t flags, uint32_t limit, uint32_t to, uint32_t cap);
SVM_IMPORT("first") uint32_t svm_first(uint32_t set, uint32_t to, uint32_t cap);
SVM_IMPORT("last") uint32_t svm_last(uint32_t set, uint32_t to, uint32_t cap);
SVM_IMPORT("next") uint32_t svm_next(uint32_t set, uint32_t key, uint32_t key_len, uint32_t to, uint32_t cap);
SVM_IMPORT("previous") uint32_t svm_previous(uint32_t set, uint32_t key, uint32_t key_len, uint32_t to, uint32_t cap);
SVM_IMPORT("rank") uint64_t svm_rank(uint32_t set, uint32_t key, uint32_t key_len);
SVM_IMPORT("at_rank") uint32_t svm_at_rank(uint32_t set, uint64_t rank, uint32_t to, uint32_t cap);
SVM_IMPORT("counter_get") void svm_counter_get(uint32_t slice, uint32_t to);
SVM_IMPORT("counter_add") void svm_counter_add(uint32_t slice, uint64_t low, uint64_t high);
SVM_IMPORT("counter_sub") void svm_counter_sub(uint32_t slice, uint64_t low, uint64_t high);
SVM_IMPORT("counter_try_add") uint32_t svm_counter_try_add(uint32_t slice, uint64_t low, uint64_t high, uint32_t bounds);
SVM_IMPORT("map_try_add") uint32_t svm_map_try_add(uint32_t map, uint64_t low, uint64_t high, uint32_t bounds, uint32_t key, uint32_t key_len);
SVM_IMPORT("list_try_add") uint32_t svm_list_try_add(uint32_t list, uint64_t index, uint64_t low, uint64_t high, uint32_t bounds);
SVM_IMPORT("list_push_counter") uint64_t svm_list_push_counter(uint32_t list, uint64_t low, uint64_t high);

/* Account and surroundings */
SVM_IMPORT("balance") void svm_balance(uint32_t account, uint32_t to);
SVM_IMPORT("svm_get_balance_from_reg") uint64_t svm_get_balance_from_reg(uint32_t bits, uint32_t index);
SVM_IMPORT("transfer") uint32_t svm_transfer(uint32_t account, uint64_t low, uint64_t high);
SVM_IMPORT("nonce") uint64_t svm_nonce(uint32_t account);
SVM_IMPORT("address") void svm_address(uint32_t to);
SVM_IMPORT("sender") void svm_sender(uint32_t to);
SVM_IMPORT("principal") void svm_principal(uint32_t to);
SVM_IMPORT("template") void svm_template(uint32_t to);
SVM_IMPORT("value") void svm_value(uint32_t to);
SVM_IMPORT("batch") uint64_t svm_batch(void);
SVM_IMPORT("time") uint64_t svm_time(void);
SVM_IMPORT("seed") uint64_t svm_seed(void);
SVM_IMPORT("gas_left") uint64_t svm_gas_left(void);
SVM_IMPORT("depth") uint32_t svm_depth(void);
SVM_IMPORT("read_only") uint32_t svm_read_only(void);
SVM_IMPORT("input_len") uint32_t svm_input_len(void);
SVM_IMPORT("input") void svm_input(uint32_t offset, uint32_t to, uint32_t len);
SVM_IMPORT("output") void svm_output(uint32_t from, uint32_t len);

/* Calls */
SVM_IMPORT("call") uint32_t svm_call(uint32_t account, uint32_t name, uint32_t name_len, uint64_t low, uint64_t high, uint64_t gas, uint32_t flags, uint32_t args, uint32_t args_len);
SVM_IMPORT("spawn") uint32_t svm_spawn(uint32_t template, uint32_t name, uint32_t name_len, uint64_t low, uint64_t high, uint64_t gas, uint32_t to, uint32_t args, uint32_t args_len);
SVM_IMPORT("deploy") uint32_t svm_deploy(uint32_t to, uint32_t from, uint32_t len);
SVM_IMPORT("result_len") uint32_t svm_result_len(void);
SVM_IMPORT("result") void svm_result(uint32_t offset, uint32_t to, uint32_t len);
SVM_IMPORT("reason") uint32_t svm_reason(uint32_t to, uint32_t cap);
SVM_IMPORT("burnt") uint64_t svm_burnt(void);

/* Events and ends */
SVM_IMPORT("emit") void svm_emit(uint32_t event, uint64_t expires, uint32_t from, uint32_t len);
SVM_IMPORT("revert") void svm_revert(uint32_t code, uint32_t from, uint32_t len);
SVM_IMPORT("log") void svm_log(uint32_t from, uint32_t len);

/* Hashing and signatures */
SVM_IMPORT("blake3") void svm_blake3(uint32_t to, uint32_t from, uint32_t len);
SVM_IMPORT("sha256") void svm_sha256(uint32_t to, uint32_t from, uint32_t len);
SVM_IMPORT("ed25519_verify") uint32_t svm_ed25519_verify(uint32_t key, uint32_t signature, uint32_t from, uint32_t len);

/* Bytes into and out of libraries */
SVM_IMPORT("pass") void svm_pass(uint32_t from, uint32_t len);
SVM_IMPORT("passed_len") uint32_t svm_passed_len(void);
SVM_IMPORT("passed") void svm_passed(uint32_t offset, uint32_t to, uint32_t len);

#endif
