/*
 * What socket.io 4.8.4 published through @socket.io/redis-adapter 8.3.0, and
 * @socket.io/redis-emitter 5.1.0, with fixed ids; and the forms of old servers
 */
#ifndef TESTS_UNIT_WIRE_CLASSIC_H
#define TESTS_UNIT_WIRE_CLASSIC_H

#include "unit/wire.h"

/* What Node wrote, and the message it is; also_back: ours writes the same. */
static const struct record {
    const char *name;
    enum skio__wire_classic_channel channel;
    bool also_back;
    const char *bytes;
    size_t len;
    struct skio__wire_message message;
} records[] = {
    {"classic all",
     SKIO__WIRE_CLASSIC_BROADCAST,
     true,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x93\xa2"
       "ev\xa1x\x01\xa3nsp\xa1/\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/"),
      .json = B("[\"ev\",\"x\",1]")}},
    {"classic room",
     SKIO__WIRE_CLASSIC_BROADCAST,
     true,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\x81\xa1"
       "a\x94\xc0\xc3\xcb?\xf8\x00\x00\x00\x00\x00\x00\xac\xc3\xa9"
       "\xf0\x9f\x98\x80\xe2\x80\xa8\"\\\x0a\xa3nsp\xa5/chat\x83\xa5"
       "rooms\x91\xa5room1\xa6"
       "except\x90\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .to = NAMES("room1"),
      .json = B("[\"ev\",{\"a\":[null,true,1.5,\"\xc3\xa9\xf0\x9f\x98\x80\xe2"
                "\x80\xa8\\\"\\\\\\n\"]}]")}},
    {"classic two",
     SKIO__WIRE_CLASSIC_BROADCAST,
     true,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x91\xa2"
       "ev\xa3nsp\xa5/chat\x83\xa5rooms\x92\xa1"
       "a\xa1"
       "b\xa6"
       "except\x92\xa1"
       "c\xa1"
       "d\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .to = NAMES("a", "b"),
      .except = NAMES("c", "d"),
      .json = B("[\"ev\"]")}},
    {"classic flags",
     SKIO__WIRE_CLASSIC_BROADCAST,
     true,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x91\xa2"
       "ev\xa3nsp\xa5/chat\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x82\xa8volatile\xc3\xa8"
       "compress\xc2"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .flags = SKIO_VOLATILE | SKIO_NO_COMPRESS,
      .json = B("[\"ev\"]")}},
    {"classic compress",
     SKIO__WIRE_CLASSIC_BROADCAST,
     false,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x91\xa2"
       "ev\xa3nsp\xa5/chat\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa8"
       "compress\xc3"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .json = B("[\"ev\"]")}},
    {"classic bin",
     SKIO__WIRE_CLASSIC_BROADCAST,
     true,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x93\xa2"
       "ev\xc4\x03\x01\x02\x03\x81\xa1"
       "f\xc4\x02\xff\x00\xa3nsp\xa5/chat\x83\xa5rooms\x91\xa1r\xa6"
       "except\x90\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .to = NAMES("r"),
      .json = B("[\"ev\"," HOLDER("0") ",{\"f\":" HOLDER("1") "}]"),
      BYTES(B("\1\2\3"), B("\xff\0"))}},
    {"classic ack",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("\x85\xa3uid\xa6uid006\xa9requestId\xa6reqId1\xa4type\x07\xa6"
       "packet\x83\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\x01\xa3nsp\xa5/chat\xa4opts\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa7timeout\x05"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .request = B("reqId1"),
      .timeout_ms = 5,
      .json = B("[\"ev\",1]")}},
    {"classic ackbin",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("\x85\xa3uid\xa6uid006\xa9requestId\xa6reqId1\xa4type\x07\xa6"
       "packet\x83\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\xc4\x01\x09\xa3nsp\xa5/chat\xa4opts\x83\xa5rooms\x90\xa6"
       "except\x90\xa5"
       "flags\x81\xa7timeout\x05"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .request = B("reqId1"),
      .timeout_ms = 5,
      .json = B("[\"ev\"," HOLDER("0") "]"),
      BYTES(B("\t"))}},
    {"classic join",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":2,\"opts\":{\"rooms\":[\"a\"],"
       "\"except\":[]},\"rooms\":[\"x\",\"y\"]}"),
     {.type = SKIO__WIRE_SOCKETS_JOIN,
      .uid = B("uid006"),
      .to = NAMES("a"),
      .rooms = NAMES("x", "y")}},
    {"classic leave",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":3,\"opts\":{\"rooms\":[\"a\"],"
       "\"except\":[\"b\"]},\"rooms\":[\"x\"]}"),
     {.type = SKIO__WIRE_SOCKETS_LEAVE,
      .uid = B("uid006"),
      .to = NAMES("a"),
      .except = NAMES("b"),
      .rooms = NAMES("x")}},
    {"classic disc",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":4,\"opts\":{\"rooms\":[\"a\"],"
       "\"except\":[]},\"close\":true}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uid006"),
      .to = NAMES("a"),
      .close = true}},
    {"classic disc0",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":4,\"opts\":{\"rooms\":[],\"exce"
       "pt\":[]},\"close\":false}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS, .uid = B("uid006")}},
    {"classic fetch",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"requestId\":\"reqId1\",\"type\":5,\"op"
       "ts\":{\"rooms\":[\"a\"],\"except\":[]}}"),
     {.type = SKIO__WIRE_FETCH_SOCKETS,
      .uid = B("uid006"),
      .request = B("reqId1"),
      .to = NAMES("a")}},
    {"classic sse",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":6,\"data\":[\"hello\",1,\"x\"]}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid006"),
      .json = B("[\"hello\",1,\"x\"]")}},
    {"classic ssebin",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"type\":6,\"data\":[\"hello\",{\"type\""
       ":\"Buffer\",\"data\":[1,2]}]}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid006"),
      .json = B("[\"hello\",{\"type\":\"Buffer\",\"data\":[1,2]}]")}},
    {"classic sseack",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"requestId\":\"reqId1\",\"type\":6,\"da"
       "ta\":[\"hello\",1]}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("uid006"),
      .request = B("reqId1"),
      .json = B("[\"hello\",1]")}},
    {"classic numroom",
     SKIO__WIRE_CLASSIC_BROADCAST,
     false,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x91\xa2"
       "ev\xa3nsp\xa5/chat\x83\xa5rooms\x91*\xa6"
       "except\x90\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .to = NAMES("42"),
      .json = B("[\"ev\"]")}},
    {"classic undefroom",
     SKIO__WIRE_CLASSIC_BROADCAST,
     false,
     T("\x93\xa6uid006\x83\xa4type\x02\xa4"
       "data\x91\xa2"
       "ev\xa3nsp\xa5/chat\x83\xa5rooms\x91\xc0\xa6"
       "except\x90\xa5"
       "flags\x80"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("uid006"),
      .nsp = B("/chat"),
      .to = NAMES("null"),
      .json = B("[\"ev\"]")}},
    {"classic allrooms",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uid006\",\"requestId\":\"reqId1\",\"type\":1}"),
     {.type = SKIO__WIRE_ALL_ROOMS,
      .uid = B("uid006"),
      .request = B("reqId1")}},
    {"classic rsockets",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"requestId\":\"rr\",\"sockets\":[\"sid1\"]}"),
     {.type = SKIO__WIRE_RESPONSE,
      .request = B("rr"),
      .json = B("[\"sid1\"]")}},
    {"classic rrooms",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"requestId\":\"rr\",\"rooms\":[\"sid1\",\"r\"]}"),
     {.type = SKIO__WIRE_RESPONSE,
      .request = B("rr"),
      .json = B("[\"sid1\",\"r\"]"),
      .has_rooms = true}},
    {"classic rfetch",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"requestId\":\"rr\",\"sockets\":[{\"id\":\"sid1\",\"handsh"
       "ake\":{\"headers\":{},\"time\":\"t\"},\"rooms\":[\"sid1\",\""
       "r\"],\"data\":{\"x\":1,\"b\":{\"type\":\"Buffer\",\"data\":["
       "5]}}}]}"),
     {.type = SKIO__WIRE_RESPONSE,
      .request = B("rr"),
      .json = B("[{\"id\":\"sid1\",\"handshake\":{\"headers\":{},\"time\":\"t"
                "\"},\"rooms\":[\"sid1\",\"r\"],\"data\":{\"x\":1,\"b\":{\"ty"
                "pe\":\"Buffer\",\"data\":[5]}}}]")}},
    {"classic rlegacy",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"requestId\":\"rr\"}"),
     {.type = SKIO__WIRE_RESPONSE, .request = B("rr")}},
    {"classic rsse",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"type\":6,\"requestId\":\"rr\",\"data\":{\"a\":1}}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .request = B("rr"),
      .json = B("{\"a\":1}")}},
    {"classic rssebin",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"type\":6,\"requestId\":\"rr\",\"data\":{\"type\":\"Buffer"
       "\",\"data\":[7,8]}}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE,
      .request = B("rr"),
      .json = B("{\"type\":\"Buffer\",\"data\":[7,8]}")}},
    {"classic rsseundef",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"type\":6,\"requestId\":\"rr\"}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE, .request = B("rr")}},
    {"classic rcount",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("{\"type\":8,\"requestId\":\"rr\",\"clientCount\":0}"),
     {.type = SKIO__WIRE_BROADCAST_CLIENT_COUNT, .request = B("rr")}},
    {"classic rack",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("\x83\xa4type\x09\xa9requestId\xa2rr\xa6packet\xa4pong"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .request = B("rr"),
      .json = B("\"pong\"")}},
    {"classic rackbin",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("\x83\xa4type\x09\xa9requestId\xa2rr\xa6packet\x81\xa1"
       "b\xc4\x01\x01"),
     {.type = SKIO__WIRE_BROADCAST_ACK,
      .request = B("rr"),
      .json = B("{\"b\":" HOLDER("0") "}"),
      BYTES(B("\1"))}},
    {"classic rackundef",
     SKIO__WIRE_CLASSIC_RESPONSE,
     true,
     T("\x82\xa4type\x09\xa9requestId\xa2rr"),
     {.type = SKIO__WIRE_BROADCAST_ACK, .request = B("rr")}},
    {"emitter all",
     SKIO__WIRE_CLASSIC_BROADCAST,
     false,
     T("\x93\xa7"
       "emitter\x83\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\x01\xa3nsp\xa5/chat\x83\xa5rooms\x90\xa5"
       "flags\x80\xa6"
       "except\x90"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("emitter"),
      .nsp = B("/chat"),
      .json = B("[\"ev\",1]")}},
    {"emitter room",
     SKIO__WIRE_CLASSIC_BROADCAST,
     false,
     T("\x93\xa7"
       "emitter\x83\xa4type\x02\xa4"
       "data\x92\xa2"
       "ev\xc4\x01\x01\xa3nsp\xa5/chat\x83\xa5rooms\x91\xa1r\xa5"
       "flags\x81\xa8volatile\xc3\xa6"
       "except\x91\xa1x"),
     {.type = SKIO__WIRE_BROADCAST,
      .uid = B("emitter"),
      .nsp = B("/chat"),
      .to = NAMES("r"),
      .except = NAMES("x"),
      .flags = SKIO_VOLATILE,
      .json = B("[\"ev\"," HOLDER("0") "]"),
      BYTES(B("\1"))}},
    {"emitter join",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"type\":2,\"opts\":{\"rooms\":[\"a\"],\"except\":[]},\"roo"
       "ms\":[\"z\"]}"),
     {.type = SKIO__WIRE_SOCKETS_JOIN, .to = NAMES("a"), .rooms = NAMES("z")}},
    {"emitter disc",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"type\":4,\"opts\":{\"rooms\":[],\"except\":[]},\"close\":"
       "true}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS, .close = true}},
    {"emitter sse",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"emitter\",\"type\":6,\"data\":[\"x\",1]}"),
     {.type = SKIO__WIRE_SERVER_SIDE_EMIT,
      .uid = B("emitter"),
      .json = B("[\"x\",1]")}},
    {"legacy join",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uuuuuu\",\"requestId\":\"rr\",\"type\":2,\"sid\":"
       "\"sid1\",\"room\":\"n\"}"),
     {.type = SKIO__WIRE_SOCKETS_JOIN,
      .uid = B("uuuuuu"),
      .request = B("rr"),
      .to = NAMES("sid1"),
      .rooms = NAMES("n"),
      .is_legacy = true}},
    {"legacy leave",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uuuuuu\",\"requestId\":\"rr\",\"type\":3,\"sid\":"
       "\"sid1\",\"room\":\"n\"}"),
     {.type = SKIO__WIRE_SOCKETS_LEAVE,
      .uid = B("uuuuuu"),
      .request = B("rr"),
      .to = NAMES("sid1"),
      .rooms = NAMES("n"),
      .is_legacy = true}},
    {"legacy disconnect",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uuuuuu\",\"requestId\":\"rr\",\"type\":4,\"sid\":"
       "\"sid1\",\"close\":true}"),
     {.type = SKIO__WIRE_DISCONNECT_SOCKETS,
      .uid = B("uuuuuu"),
      .request = B("rr"),
      .to = NAMES("sid1"),
      .close = true,
      .is_legacy = true}},
    {"old sockets",
     SKIO__WIRE_CLASSIC_REQUEST,
     true,
     T("{\"uid\":\"uuuuuu\",\"requestId\":\"rr\",\"type\":0,\"rooms"
       "\":[\"r\"]}"),
     {.type = SKIO__WIRE_SOCKETS,
      .uid = B("uuuuuu"),
      .request = B("rr"),
      .to = NAMES("r")}},
};

#define RECORDS (sizeof records / sizeof records[0])
#define LONGEST 512 /* bytes of a record */

#endif /* TESTS_UNIT_WIRE_CLASSIC_H */
