/*
 * What clients may call things: nicknames, rooms, keys, ids
 *
 * A name has letters of any common script, digits, "-", "_" and ".", nothing
 * else: no blanks, no quotes, no "@" (that marks a person), and nothing
 * invisible that would make two names look alike. A checked name or token
 * needs no escaping in JSON.
 */
#ifndef CHAT_NAMES_H
#define CHAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NICK_MAX 20 /* characters */
#define ROOM_MAX 24
#define NAME_BYTES (ROOM_MAX * 3 + 1) /* of either, in UTF-8, with its NUL */

/* Random base64url text that the page makes: 22 characters are 128 bits. */
#define KEY_MIN 20
#define KEY_MAX 64
#define ID_MIN 8
#define ID_MAX 32

/* Whether a name has 1 to max_chars characters and only allowed ones. NULL is
 * no name. */
bool name_is_valid(const char *name, size_t max_chars);

/* Write the form by which names are compared: ASCII letters in lower case.
 * out has NAME_BYTES; the name is valid. */
void name_fold(char *out, const char *name);

/* Whether this is base64url text of min to max characters. NULL is not. */
bool token_is_valid(const char *token, size_t min, size_t max);

/* Compare secrets in a time that does not tell where they differ. */
bool token_is_equal(const char *a, const char *b);

#endif /* CHAT_NAMES_H */
