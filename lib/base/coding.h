/*
 * Content codings of HTTP: which one a response may be compressed with
 */
#ifndef SKIO_ENGINSKIO__CODING_H
#define SKIO_ENGINSKIO__CODING_H

enum skio__coding {
    SKIO__CODING_NONE,
    SKIO__CODING_GZIP,
    SKIO__CODING_DEFLATE,
    SKIO__CODING_COUNT
};

/*
 * Choose by an Accept-Encoding header (RFC 9110, 12.5.3), NULL: none was sent.
 * As the reference server's: quality counts first, then a coding that is
 * named before one that "*" stands for, then the client's order, then gzip.
 * Identity is no rival, whatever its quality. Socket.IO also has "br" for the
 * client's files: libbrotlienc, as it is packaged, ends the process when memory
 * runs out.
 */
enum skio__coding skio__coding_choose(const char *accept);

/* As in Content-Encoding. */
const char *skio__coding_name(enum skio__coding coding);

#endif /* SKIO_ENGINSKIO__CODING_H */
