/*
 * What socket.io 4.8.4 published through @socket.io/redis-adapter 8.3.0
 * (sharded) and @socket.io/redis-streams-adapter 0.3.1, with fixed ids
 */
#ifndef TESTS_UNIT_WIRE_CLUSTER_H
#define TESTS_UNIT_WIRE_CLUSTER_H

#include "unit/wire.h"

/* How a message travels. */
enum way {
    SHARDED, /* the envelope, JSON or MessagePack */
    PACKED,  /* the envelope, always MessagePack */
    ENTRY,   /* data alone, in a stream's entry */
    PLAIN    /* the same with onlyPlaintext */
};

/* What Node wrote, and the message it is; also_back: ours writes the same. */
static const struct record {
    const char *name;
    enum way way;
    bool also_back;
    const char *bytes;
    size_t len;
    struct skio__wire_message message;
} records[] = {
    {"sharded all",
     SHARDED,
     true,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\","
       "\"x\",1]},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}},"
       "\"uid\":\"uid0000000000016\",\"nsp\":\"/\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/"),
      .json = B("[\"ev\",\"x\",1]")}},
    {"sharded room",
     SHARDED,
     true,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\","
       "{\"a\":[null,true,1.5,\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8\\"
       "\"\\\\\\n\"]}]},\"opts\":{\"rooms\":[\"room1\"],\"except\":[],"
       "\"flags\":{}}},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("room1"),
      .json = B("[\"ev\",{\"a\":[null,true,1.5,\"\xc3\xa9\xf0\x9f\x98\x80\xe2"
                "\x80\xa8\\\"\\\\\\n\"]}]")}},
    {"sharded two",
     SHARDED,
     true,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]"
       "},\"opts\":{\"rooms\":[\"a\",\"b\"],\"except\":[\"c\",\"d\"],"
       "\"flags\":{}}},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a", "b"),
      .except = NAMES("c", "d"),
      .json = B("[\"ev\"]")}},
    {"sharded flags",
     SHARDED,
     true,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]"
       "},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{\"volatile\""
       ":true,\"compress\":false}}},\"uid\":\"uid0000000000016\",\"nsp"
       "\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .flags = SKIO_VOLATILE | SKIO_NO_COMPRESS,
      .json = B("[\"ev\"]")}},
    {"sharded compress",
     SHARDED,
     false,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]"
       "},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{\"compress\""
       ":true}}},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"ev\"]")}},
    {"sharded bin",
     SHARDED,
     true,
     T("\x84\xa4type\x03\xa4"
       "data\x82\xa6packet\x82\xa4type\x02\xa4"
       "data\x93\xa2"
       "ev\xc4\x03\x01\x02\x03\x81\xa1"
       "f\xc4\x02\xff\x00\xa4opts\x83\xa5rooms\x91\xa1r\xa6"
       "except\x90\xa5"
       "flags\x80\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("r"),
      .json = B("[\"ev\"," HOLDER("0") ",{\"f\":" HOLDER("1") "}]"),
      BYTES(B("\1\2\3"), B("\xff\0"))}},
    {"sharded ack",
     SHARDED,
     true,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\","
       "1]},\"requestId\":\"00112233aabbccdd\",\"opts\":{\"rooms\":[],"
       "\"except\":[],\"flags\":{\"timeout\":5}}},\"uid\":\"uid0000000"
       "000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .timeout_ms = 5,
      .json = B("[\"ev\",1]")}},
    {"sharded ackbin",
     SHARDED,
     true,
     T("\x84\xa4type\x03\xa4"
       "data\x83\xa6packet\x82\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\xc4\x01\x09\xa9requestId\xb0"
       "00112233aabbccdd\xa4opts\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa7timeout\x05\xa3uid\xb0uid0000000000016\xa3nsp\xa5"
       "/chat"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .timeout_ms = 5,
      .json = B("[\"ev\"," HOLDER("0") "]"),
      BYTES(B("\t"))}},
    {"sharded join",
     SHARDED,
     true,
     T("{\"type\":4,\"data\":{\"opts\":{\"rooms\":[\"a\"],\"except\":["
       "],\"flags\":{}},\"rooms\":[\"x\",\"y\"]},\"uid\":\"uid00000000"
       "00016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_SOCKETS_JOIN,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .rooms = NAMES("x", "y")}},
    {"sharded leave",
     SHARDED,
     true,
     T("{\"type\":5,\"data\":{\"opts\":{\"rooms\":[\"a\"],\"except\":["
       "\"b\"],\"flags\":{}},\"rooms\":[\"x\"]},\"uid\":\"uid000000000"
       "0016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_SOCKETS_LEAVE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .except = NAMES("b"),
      .rooms = NAMES("x")}},
    {"sharded disc",
     SHARDED,
     true,
     T("{\"type\":6,\"data\":{\"opts\":{\"rooms\":[\"a\"],\"except\":["
       "],\"flags\":{}},\"close\":true},\"uid\":\"uid0000000000016\","
       "\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .close = true}},
    {"sharded disc0",
     SHARDED,
     true,
     T("{\"type\":6,\"data\":{\"opts\":{\"rooms\":[],\"except\":[],\"f"
       "lags\":{}},\"close\":false},\"uid\":\"uid0000000000016\",\"nsp"
       "\":\"/chat\"}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"sharded fetch",
     SHARDED,
     true,
     T("{\"type\":7,\"data\":{\"opts\":{\"rooms\":[\"a\"],\"except\":["
       "],\"flags\":{}},\"requestId\":\"00112233aabbccdd\"},\"uid\":\""
       "uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_FETCH_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .to = NAMES("a")}},
    {"sharded sse",
     SHARDED,
     true,
     T("{\"type\":9,\"data\":{\"packet\":[\"hello\",1,\"x\"]},\"uid\":"
       "\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"hello\",1,\"x\"]")}},
    {"sharded ssebin",
     SHARDED,
     true,
     T("\x84\xa4type\x09\xa4"
       "data\x81\xa6packet\x92\xa5hello\xc4\x02\x01\x02\xa3uid\xb0uid0"
       "000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"hello\"," HOLDER("0") "]"),
      BYTES(B("\1\2"))}},
    {"sharded sseack",
     SHARDED,
     true,
     T("{\"type\":9,\"data\":{\"requestId\":\"00112233aabbccdd\",\"pac"
       "ket\":[\"hello\",1]},\"uid\":\"uid0000000000016\",\"nsp\":\"/c"
       "hat\"}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .json = B("[\"hello\",1]")}},
    {"sharded numroom",
     SHARDED,
     false,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]"
       "},\"opts\":{\"rooms\":[42],\"except\":[],\"flags\":{}}},\"uid"
       "\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("42"),
      .json = B("[\"ev\"]")}},
    {"sharded undefroom",
     SHARDED,
     false,
     T("{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]"
       "},\"opts\":{\"rooms\":[null],\"except\":[],\"flags\":{}}},\"ui"
       "d\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("null"),
      .json = B("[\"ev\"]")}},
    {"sharded rfetch",
     SHARDED,
     true,
     T("{\"type\":8,\"data\":{\"requestId\":\"0011\",\"sockets\":[{\"i"
       "d\":\"sid1\",\"handshake\":{\"headers\":{}},\"rooms\":[\"sid1"
       "\",\"r\"],\"data\":{\"x\":1}}]},\"uid\":\"uid0000000000016\","
       "\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[{\"id\":\"sid1\",\"handshake\":{\"headers\":{}},\"rooms\":[\""
                "sid1\",\"r\"],\"data\":{\"x\":1}}]")}},
    {"sharded rfetchbin",
     SHARDED,
     true,
     T("\x84\xa4type\x08\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa7sockets\x91\x84\xa2id\xa4sid1\xa9handshake\x80\xa5room"
       "s\x90\xa4"
       "data\x81\xa1"
       "b\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[{\"id\":\"sid1\",\"handshake\":{},"
                "\"rooms\":[],\"data\":{\"b\":" HOLDER("0") "}}]"),
      BYTES(B("\5"))}},
    {"sharded rsse",
     SHARDED,
     true,
     T("{\"type\":10,\"data\":{\"requestId\":\"0011\",\"packet\":{\"a"
       "\":1}},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("{\"a\":1}")}},
    {"sharded rssebin",
     SHARDED,
     true,
     T("\x84\xa4type\x0a\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3nsp"
       "\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B(HOLDER("0")),
      BYTES(B("\5"))}},
    {"sharded rsseundef",
     SHARDED,
     true,
     T("{\"type\":10,\"data\":{\"requestId\":\"0011\"},\"uid\":\"uid00"
       "00000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011")}},
    {"sharded rcount",
     SHARDED,
     true,
     T("{\"type\":11,\"data\":{\"requestId\":\"0011\",\"clientCount\":"
       "3},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST_CLIENT_COUNT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .client_count = 3}},
    {"sharded rack",
     SHARDED,
     true,
     T("{\"type\":12,\"data\":{\"requestId\":\"0011\",\"packet\":\"pon"
       "g\"},\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("\"pong\"")}},
    {"sharded rackbin",
     SHARDED,
     true,
     T("\x84\xa4type\x0c\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\x91\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3n"
       "sp\xa5/chat"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[" HOLDER("0") "]"),
      BYTES(B("\5"))}},
    {"sharded rackundef",
     SHARDED,
     true,
     T("{\"type\":12,\"data\":{\"requestId\":\"0011\"},\"uid\":\"uid00"
       "00000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011")}},
    {"sharded hb",
     SHARDED,
     true,
     T("{\"type\":1,\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_INITIAL_HEARTBEAT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"sharded close",
     SHARDED,
     true,
     T("{\"type\":13,\"uid\":\"uid0000000000016\",\"nsp\":\"/chat\"}"),
     {.type = SKIO__WIRE_ADAPTER_CLOSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"streams all",
     ENTRY,
     true,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\",\"x\",1]},\"opts\":{"
       "\"rooms\":[],\"except\":[],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/"),
      .json = B("[\"ev\",\"x\",1]")}},
    {"streams room",
     ENTRY,
     true,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\",{\"a\":[null,true,1.5"
       ",\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8\\\"\\\\\\n\"]}]},\"opt"
       "s\":{\"rooms\":[\"room1\"],\"except\":[],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("room1"),
      .json = B("[\"ev\",{\"a\":[null,true,1.5,\"\xc3\xa9\xf0\x9f\x98\x80\xe2"
                "\x80\xa8\\\"\\\\\\n\"]}]")}},
    {"streams two",
     ENTRY,
     true,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\""
       ":[\"a\",\"b\"],\"except\":[\"c\",\"d\"],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a", "b"),
      .except = NAMES("c", "d"),
      .json = B("[\"ev\"]")}},
    {"streams flags",
     ENTRY,
     true,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\""
       ":[],\"except\":[],\"flags\":{\"volatile\":true,\"compress\":fa"
       "lse}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .flags = SKIO_VOLATILE | SKIO_NO_COMPRESS,
      .json = B("[\"ev\"]")}},
    {"streams compress",
     ENTRY,
     false,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\""
       ":[],\"except\":[],\"flags\":{\"compress\":true}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"ev\"]")}},
    {"streams bin",
     ENTRY,
     true,
     T("gqZwYWNrZXSCpHR5cGUCpGRhdGGTomV2xAMBAgOBoWbEAv8ApG9wdHODpXJvb2"
       "1zkaFypmV4Y2VwdJClZmxhZ3OA"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("r"),
      .json = B("[\"ev\"," HOLDER("0") ",{\"f\":" HOLDER("1") "}]"),
      BYTES(B("\1\2\3"), B("\xff\0"))}},
    {"streams ack",
     PACKED,
     true,
     T("\x84\xa4type\x03\xa4"
       "data\x83\xa6packet\x82\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\x01\xa9requestId\xb0"
       "00112233aabbccdd\xa4opts\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa7timeout\x05\xa3uid\xb0uid0000000000016\xa3nsp\xa5"
       "/chat"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .timeout_ms = 5,
      .json = B("[\"ev\",1]")}},
    {"streams ackbin",
     PACKED,
     true,
     T("\x84\xa4type\x03\xa4"
       "data\x83\xa6packet\x82\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\xc4\x01\x09\xa9requestId\xb0"
       "00112233aabbccdd\xa4opts\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa7timeout\x05\xa3uid\xb0uid0000000000016\xa3nsp\xa5"
       "/chat"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .timeout_ms = 5,
      .json = B("[\"ev\"," HOLDER("0") "]"),
      BYTES(B("\t"))}},
    {"streams join",
     ENTRY,
     true,
     T("{\"opts\":{\"rooms\":[\"a\"],\"except\":[],\"flags\":{}},\"roo"
       "ms\":[\"x\",\"y\"]}"),
     {.type = SKIO__WIRE_SOCKETS_JOIN,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .rooms = NAMES("x", "y")}},
    {"streams leave",
     ENTRY,
     true,
     T("{\"opts\":{\"rooms\":[\"a\"],\"except\":[\"b\"],\"flags\":{}},"
       "\"rooms\":[\"x\"]}"),
     {.type = SKIO__WIRE_SOCKETS_LEAVE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .except = NAMES("b"),
      .rooms = NAMES("x")}},
    {"streams disc",
     ENTRY,
     true,
     T("{\"opts\":{\"rooms\":[\"a\"],\"except\":[],\"flags\":{}},\"clo"
       "se\":true}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("a"),
      .close = true}},
    {"streams disc0",
     ENTRY,
     true,
     T("{\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}},\"close\":"
       "false}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"streams fetch",
     PACKED,
     true,
     T("\x84\xa4type\x07\xa4"
       "data\x82\xa4opts\x83\xa5rooms\x91\xa1"
       "a\xa6"
       "except\x90\xa5"
       "flags\x80\xa9requestId\xb0"
       "00112233aabbccdd\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_FETCH_SOCKETS,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .to = NAMES("a")}},
    {"streams sse",
     PACKED,
     true,
     T("\x84\xa4type\x09\xa4"
       "data\x81\xa6packet\x93\xa5hello\x01\xa1x\xa3uid\xb0uid00000000"
       "00016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"hello\",1,\"x\"]")}},
    {"streams ssebin",
     PACKED,
     true,
     T("\x84\xa4type\x09\xa4"
       "data\x81\xa6packet\x92\xa5hello\xc4\x02\x01\x02\xa3uid\xb0uid0"
       "000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .json = B("[\"hello\"," HOLDER("0") "]"),
      BYTES(B("\1\2"))}},
    {"streams sseack",
     PACKED,
     true,
     T("\x84\xa4type\x09\xa4"
       "data\x82\xa9requestId\xb0"
       "00112233aabbccdd\xa6packet\x92\xa5hello\x01\xa3uid\xb0uid00000"
       "00000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("00112233aabbccdd"),
      .json = B("[\"hello\",1]")}},
    {"streams numroom",
     ENTRY,
     false,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\""
       ":[42],\"except\":[],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("42"),
      .json = B("[\"ev\"]")}},
    {"streams undefroom",
     ENTRY,
     false,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\""
       ":[null],\"except\":[],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("null"),
      .json = B("[\"ev\"]")}},
    {"streams rfetch",
     PACKED,
     true,
     T("\x84\xa4type\x08\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa7sockets\x91\x84\xa2id\xa4sid1\xa9handshake\x81\xa7head"
       "ers\x80\xa5rooms\x92\xa4sid1\xa1r\xa4"
       "data\x81\xa1x\x01\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[{\"id\":\"sid1\",\"handshake\":{\"headers\":{}},\"rooms\":[\""
                "sid1\",\"r\"],\"data\":{\"x\":1}}]")}},
    {"streams rfetchbin",
     PACKED,
     true,
     T("\x84\xa4type\x08\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa7sockets\x91\x84\xa2id\xa4sid1\xa9handshake\x80\xa5room"
       "s\x90\xa4"
       "data\x81\xa1"
       "b\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[{\"id\":\"sid1\",\"handshake\":{},"
                "\"rooms\":[],\"data\":{\"b\":" HOLDER("0") "}}]"),
      BYTES(B("\5"))}},
    {"streams rsse",
     PACKED,
     true,
     T("\x84\xa4type\x0a\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\x81\xa1"
       "a\x01\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("{\"a\":1}")}},
    {"streams rssebin",
     PACKED,
     true,
     T("\x84\xa4type\x0a\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3nsp"
       "\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B(HOLDER("0")),
      BYTES(B("\5"))}},
    {"streams rsseundef",
     PACKED,
     true,
     T("\x84\xa4type\x0a\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\xc0\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("null")}},
    {"streams rcount",
     PACKED,
     true,
     T("\x84\xa4type\x0b\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xab"
       "clientCount\x03\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_BROADCAST_CLIENT_COUNT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .client_count = 3}},
    {"streams rack",
     PACKED,
     true,
     T("\x84\xa4type\x0c\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\xa4pong\xa3uid\xb0uid0000000000016\xa3nsp\xa5/c"
       "hat"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("\"pong\"")}},
    {"streams rackbin",
     PACKED,
     true,
     T("\x84\xa4type\x0c\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\x91\xc4\x01\x05\xa3uid\xb0uid0000000000016\xa3n"
       "sp\xa5/chat"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("[" HOLDER("0") "]"),
      BYTES(B("\5"))}},
    {"streams rackundef",
     PACKED,
     true,
     T("\x84\xa4type\x0c\xa4"
       "data\x82\xa9requestId\xa4"
       "0011\xa6packet\xc0\xa3uid\xb0uid0000000000016\xa3nsp\xa5/chat"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .request = B("0011"),
      .json = B("null")}},
    {"streams hb",
     ENTRY,
     true,
     T(""),
     {.type = SKIO__WIRE_INITIAL_HEARTBEAT,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"streams close",
     ENTRY,
     true,
     T(""),
     {.type = SKIO__WIRE_ADAPTER_CLOSE,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat")}},
    {"plain bin",
     PLAIN,
     false,
     T("{\"packet\":{\"type\":2,\"data\":[\"ev\",{\"type\":\"Buffer\","
       "\"data\":[1,2,3]},{\"f\":{\"type\":\"Buffer\",\"data\":[255,0]"
       "}}]},\"opts\":{\"rooms\":[\"r\"],\"except\":[],\"flags\":{}}}"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid0000000000016"),
      .nsp = B("/chat"),
      .to = NAMES("r"),
      .json = B("[\"ev\",{\"type\":\"Buffer\",\"data\":[1,2,3]},{\"f\":{\"type"
                "\":\"Buffer\",\"data\":[255,0]}}]")}},
};

#define RECORDS (sizeof records / sizeof records[0])
#define LONGEST 512 /* bytes of a record */

#endif /* TESTS_UNIT_WIRE_CLUSTER_H */
