/* A counter in state: adds 1, and says what it has come to. */
#include "replicode_plugin.h"

static const uint8_t key[] = "count";

int32_t process(uint8_t *input, size_t len) {
    (void)input;
    if (len > 0) {
        static const uint8_t why[] = "this counter takes no input";
        fn_error(why, sizeof why - 1);
        return 1;
    }
    uint64_t count = 0;
    if (fn_get_state(key, sizeof key - 1) == sizeof count) fn_read((uint8_t *)&count, sizeof count);
    count++;
    fn_set_state(key, sizeof key - 1, (const uint8_t *)&count, sizeof count);
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    fn_output(digits + at, sizeof digits - at);
    return 0;
}
