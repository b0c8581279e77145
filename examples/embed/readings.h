/*
 * What the programs of this folder have in common: readings of sensors, shown
 * to pages by a Socket.IO server
 *
 * Each of them has a loop of another kind, into which it puts that server.
 */
#ifndef READINGS_H
#define READINGS_H

#include <socketio/socketio.h>

#define READINGS_STALE_MS 1000 /* without a new one */
#define READINGS_DRAIN_MS 500  /* what pages are sent away in, at the end */

/* Make a server: who comes is told the last "reading"; "count" is acknowledged
 * with how many there were. Returns SKIO_OK or an error. */
int readings_server(skio_server **io);
/* Take one, a number as text, and show it to all pages. Fills the answer for
 * the sensor and returns its length, 0: it is no number. */
size_t readings_take(skio_server *io, const char *text, char *answer,
                     size_t size);
/* Tell all pages that the last one is old. */
void readings_stale(skio_server *io);
/* A port from the command line; ends the program when it is none. */
uint16_t readings_port(int argc, char **argv, int number, uint16_t usual);

#endif /* READINGS_H */
