/*
 * Content codings of HTTP: which one a response may be compressed with
 */
#ifndef SKIO_ENGINEIO_CODING_H
#define SKIO_ENGINEIO_CODING_H

enum eio_coding { EIO_CODING_NONE, EIO_CODING_GZIP, EIO_CODING_DEFLATE };

/*
 * Choose by an Accept-Encoding header (RFC 9110, 12.5.3), NULL: none was sent.
 * As the reference server's: quality counts first, then a coding that is
 * named before one that "*" stands for, then the client's order, then gzip.
 * Identity is no rival, whatever its quality.
 */
enum eio_coding skio__coding_choose(const char *accept);

#endif /* SKIO_ENGINEIO_CODING_H */
