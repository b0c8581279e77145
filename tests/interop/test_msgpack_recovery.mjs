// Connection state recovery with socket.io-msgpack-parser on both sides: the
// offset that an event carries is written into packets that were encoded before.
process.env.SKIO_PARSER = "msgpack";
await import("./test_recovery.mjs");
