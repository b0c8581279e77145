// Everything that the stock client does with the default parser, it does with
// socket.io-msgpack-parser on both sides: next to the reference with the same.
process.env.SKIO_PARSER = "msgpack";
await import("./test_client4.mjs");
