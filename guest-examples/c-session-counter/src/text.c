#include "text.h"

#include <string.h>

#include "plugin.h"

void text_add(text_t *text, const char *string) {
    text_add_bytes(text, (const uint8_t *)string, strlen(string));
}

void text_add_bytes(text_t *text, const uint8_t *bytes, size_t length) {
    // There is always room for the end of the line.
    size_t room = sizeof text->bytes - 1 - text->length;
    if (length > room) {
        length = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_add_number(text_t *text, uint64_t number) {
    uint8_t digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add_bytes(text, digits + first, sizeof digits - first);
}

void text_print(text_t *text) {
    text->bytes[text->length++] = '\n';
    plugin_list_u8_t bytes = {.ptr = (uint8_t *)text->bytes, .len = text->length};
    text->length = 0;

    wasi_cli_stdout_own_output_stream_t out = wasi_cli_stdout_get_stdout();
    wasi_io_streams_stream_error_t error;
    // Whether it was printed or not: there is nobody to tell.
    wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(out), &bytes,
                                                                 &error);
    wasi_io_streams_output_stream_drop_own(out);
}
