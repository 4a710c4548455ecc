#pragma once

#include <stddef.h>
#include <stdint.h>

// A text that is put together piece by piece. What does not fit is cut.
//
// Not `printf`: in some C libraries even `snprintf` imports files, through the interfaces of an older WASI.
typedef struct {
    size_t length;
    // As much as WASI takes at once, so that a line is printed in one go.
    char bytes[4096];
} text_t;

// Adds a C string.
void text_add(text_t *text, const char *string);

// Adds bytes: the texts of the contract have a length, and no zero at their end.
void text_add_bytes(text_t *text, const uint8_t *bytes, size_t length);

// Adds a number in decimal.
void text_add_number(text_t *text, uint64_t number);

// Prints the text as a line, which becomes a log event of the runtime.
void text_print(text_t *text);
