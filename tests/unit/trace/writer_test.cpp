// SPDX-License-Identifier: BSD-2-Clause
#include "trace/writer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "unit/trace/events_for_tests.h"
#include "util/output.h"

namespace tcpdwell {
namespace {

TEST(Writer, HeaderHasTheAgreedFields) {
  EXPECT_EQ(json_of(sample_header()),
            R"({"type":"header","schema":1,"tool":"tcpdwell","version":"0.1.0","host":"web-1",)"
            R"("kernel":"6.1.0","arch":"x86_64","boot_id":"7a0f2c1e-0000-4000-8000-000000000001",)"
            R"("start":"2026-01-02T03:04:05.000000006Z","clock":"monotonic",)"
            R"("minisockets":"timer","filters":{"pid":[1,2],"state":["TIME_WAIT"]},)"
            R"("ip_local_port_range":[1024,65535],"lines":"transitions"})"
            "\n");
}

TEST(Writer, ConnectionHasTheAgreedFieldsInOrder) {
  EXPECT_EQ(json_of(sample_connection()),
            R"({"type":"connection","start":"2026-01-02T03:04:05.000000006Z",)"
            R"("end":"2026-01-02T03:04:05.000300006Z","conn":"1a2b","netns":4026531840,"family":4,)"
            R"("laddr":"127.0.0.1","lport":40000,"raddr":"10.0.0.7","rport":443,"state":"CLOSE",)"
            R"("stays":[{"state":"SYN_SENT","dwell_ns":184000,"dwell":"exact"},)"
            R"({"state":"ESTABLISHED","dwell_ns":100000,"dwell":"at_least"},)"
            R"({"state":"LAST_ACK","dwell_ns":null,"dwell":"unknown"}],)"
            R"("pid":4711,"comm":"curl","owner":"connect","cgroup":4242,"reason":"reset_by_peer",)"
            R"("life_ns":300000,"path":"SYN_SENT>ESTABLISHED>LAST_ACK>CLOSE","closer":"remote",)"
            R"("bytes_sent":10,"bytes_received":20,"segs_out":30,"segs_in":40,"retrans":50,)"
            R"("srtt_us":60,"min_rtt_us":70})"
            "\n");
}

TEST(Writer, AnOpenConnectionSaysSo) {
  Connection open = sample_connection();
  open.seen_wall_ns = std::exchange(open.end_wall_ns, std::nullopt);
  open.life_ns.reset();
  open.traffic.reset();
  const std::string line = json_of(open);
  EXPECT_NE(line.find(R"("ts":"2026-01-02T03:04:05.000300006Z","open":true,"conn")"),
            std::string::npos)
      << line;
  EXPECT_EQ(line.find("\"end\""), std::string::npos);
  EXPECT_EQ(line.find("\"closer\""), std::string::npos) << "nobody has closed it";
}

TEST(Writer, TransitionHasTheAgreedFieldsInOrder) {
  EXPECT_EQ(json_of(sample_transition()),
            R"({"type":"transition","ts":"2026-01-02T03:04:05.123456789Z","mono_ns":987654321,)"
            R"("conn":"1a2b","netns":4026531840,"family":4,"laddr":"127.0.0.1","lport":40000,)"
            R"("raddr":"10.0.0.7","rport":443,"old":"SYN_SENT","new":"ESTABLISHED",)"
            R"("dwell_ns":184000,"dwell":"exact","pid":4711,"comm":"curl","owner":"connect",)"
            R"("cgroup":4242})"
            "\n");
}

TEST(Writer, LastLineAddsWhatIsKnownOfTheWholeConnection) {
  const std::string line = json_of(sample_last());
  EXPECT_EQ(line.substr(line.find(",\"cgroup\"")),
            R"(,"cgroup":4242,"gap":true,"reason":"expired","timer_restarts":3,)"
            R"("life_ns":62000000001,)"
            R"("path":"SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>TIME_WAIT>CLOSE",)"
            R"("closer":"local","bytes_sent":18446744073709551615,"bytes_received":20,)"
            R"("segs_out":30,"segs_in":40,"retrans":4294967295,"srtt_us":60,"min_rtt_us":70})"
            "\n");
}

TEST(Writer, UnknownIsNullOrAbsentNeverZero) {
  Transition event = sample_last();
  event.dwell = {Bound::Unknown, 77};
  event.socket.owner = {};
  event.socket.cgroup_id = 0;
  event.gap = false;
  event.reason = Reason::None;
  event.timer_restarts = 0;
  event.life_ns.reset();
  event.path = Path();
  event.traffic.reset();
  const std::string line = json_of(event);
  EXPECT_EQ(line.substr(line.find(",\"dwell_ns\"")),
            R"(,"dwell_ns":null,"dwell":"unknown","pid":null,"comm":"","owner":"none","cgroup":0})"
            "\n");
}

TEST(Writer, RttsAreAbsentWithoutSamples) {
  Transition event = sample_last();
  event.traffic = TrafficStats{};
  const std::string line = json_of(event);
  EXPECT_EQ(line.substr(line.find(",\"bytes_sent\"")),
            R"(,"bytes_sent":0,"bytes_received":0,"segs_out":0,"segs_in":0,"retrans":0})"
            "\n");
}

TEST(Writer, NothingOfTheWholeLifeBeforeItsEnd) {
  Transition event = sample_last();
  event.to = State::TimeWait;
  for (const char* key : {"life_ns", "path", "closer", "bytes_sent", "srtt_us"}) {
    EXPECT_EQ(json_of(event).find(key), std::string::npos) << key;
  }
}

TEST(Writer, SecondUseOfASocketAndMappedAddress) {
  Transition event = sample_transition();
  event.socket.id.use = 2;
  event.socket.family = Family::V6;
  event.socket.local.addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
  event.socket.remote.addr = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const std::string line = json_of(event);
  EXPECT_NE(line.find(R"("conn":"1a2b.2")"), std::string::npos) << line;
  EXPECT_NE(
      line.find(R"("family":6,"laddr":"::ffff:10.0.0.1","lport":40000,"raddr":"2001:db8::1")"),
      std::string::npos)
      << line;
}

TEST(Writer, SeedHasTheAgreedFields) {
  EXPECT_EQ(json_of(sample_seed()),
            R"({"type":"seed","ts":"2026-01-02T03:04:05.000000007Z","mono_ns":17,"conn":"1a2b",)"
            R"("netns":4026531840,"family":4,"laddr":"127.0.0.1","lport":40000,)"
            R"("raddr":"10.0.0.7","rport":443,"state":"CLOSE_WAIT","age_ns":5000000000,)"
            R"("age":"at_least","pid":4711,"comm":"curl","owner":"seed","cgroup":4242})"
            "\n");
}

TEST(Writer, LossAndEnd) {
  EXPECT_EQ(json_of(Loss{0, LossPlace::Output, 12}),
            R"({"type":"loss","ts":"1970-01-01T00:00:00.000000000Z","where":"output","count":12})"
            "\n");
  EXPECT_EQ(json_of(sample_end()),
            R"({"type":"end","ts":"2026-01-02T03:04:06.000000000Z","transitions":10,)"
            R"("lost":{"ring":1,"recursion":2,"map":3,"output":4},"duration_ns":999999994,)"
            R"("connections":2,"suspended_ns":20000000000,"looked":true})"
            "\n");
}

TEST(Writer, HostileTextStaysOneLineOfJson) {
  Transition event = sample_transition();
  event.socket.owner.comm = Comm("a\"\n\\\x01\x1b\xff\xc3");
  const std::string line = json_of(event);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_NE(line.find(R"("comm":"a\"\n\\)"), std::string::npos) << line;
  Header header = sample_header();
  header.host = "h\n\"\xff";
  EXPECT_EQ(json_of(header).find('\n'), json_of(header).size() - 1);
}

TEST(TraceWriter, WritesALineAnEvent) {
  StringOutput out;
  TraceWriter writer(out);
  EXPECT_TRUE(writer.header(sample_header()));
  EXPECT_TRUE(writer.seed(sample_seed()));
  EXPECT_TRUE(writer.transition(sample_transition()));
  EXPECT_TRUE(writer.loss(Loss{1767323045200000000, LossPlace::Recursion, 12}));
  EXPECT_TRUE(writer.transition(sample_last()));
  EXPECT_TRUE(writer.end(sample_end()));
  EXPECT_EQ(out.text, json_of(sample_events()));
}

TEST(TraceWriter, PassesTheOutputsErrorOn) {
  class Full : public Output {
    Status write(std::string_view) override { return Error{Fault::Runtime, "full", 28}; }
    Status flush() override { return Ok; }
    Status close() override { return Ok; }
  } full;
  const Status status = TraceWriter(full).transition(sample_transition());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().os_errno, 28);
}

}  // namespace
}  // namespace tcpdwell
