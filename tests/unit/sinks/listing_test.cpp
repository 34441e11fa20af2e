// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/listing.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "unit/sinks/lines_for_tests.h"

namespace tcpdwell {
namespace {

Listed listed(CgroupName name) {
  Listed one;
  one.seed.wall_ns = 1767323045'000000006;  // 2026-01-02T03:04:05.000000006Z
  one.seed.mono_ns = 17;
  one.seed.socket = client_socket();
  one.seed.state = State::CloseWait;
  one.seed.age = {Bound::AtLeast, 5'000'000'000};
  one.cgroup = std::make_shared<CgroupName>(std::move(name));
  return one;
}

Listed full() {
  Listed one = listed({"/a.slice/\"", "c0ffee", "pod-1", "=nginx", "", "", "", ""});
  one.seed.live = {Live::Queues{1, 0, 3}, SocketTimer::Keepalive, 0};
  return one;
}

/// A listener of nobody, of which the kernel told little.
Listed bare() {
  Listed one = listed({});
  one.seed.socket.remote = {};
  one.seed.socket.owner = {};
  one.seed.socket.cgroup_id = 0;
  one.seed.state = State::Listen;
  one.seed.age = {Bound::Unknown, 77};
  return one;
}

constexpr const char* kFullJson =
    R"({"type":"socket","ts":"2026-01-02T03:04:05.000000006Z","mono_ns":17,"conn":"1a2b",)"
    R"("netns":4026531840,"family":4,"laddr":"10.0.0.5","lport":51234,"raddr":"93.184.216.34",)"
    R"("rport":443,"state":"CLOSE_WAIT","age_ns":5000000000,"age":"at_least","pid":4711,)"
    R"("comm":"curl","owner":"connect","cgroup":6432,"recv_queue":1,"send_queue":0,"retrans":3,)"
    R"("timer":"keepalive","timer_ns":0,"cgroup_path":"/a.slice/\"","container":"c0ffee",)"
    R"("pod":"pod-1","unit":"=nginx"})"
    "\n";
constexpr const char* kBareJson =
    R"({"type":"socket","ts":"2026-01-02T03:04:05.000000006Z","mono_ns":17,"conn":"1a2b",)"
    R"("netns":4026531840,"family":4,"laddr":"10.0.0.5","lport":51234,"raddr":"0.0.0.0","rport":0,)"
    R"("state":"LISTEN","age_ns":null,"age":"unknown","pid":null,"comm":"","owner":"none",)"
    R"("cgroup":0})"
    "\n";

TEST(Listing, JsonHasWhatIsKnownOfASocketNow) {
  StringOutput out;
  ASSERT_TRUE(write_listing_json(out, {full(), bare()}));
  EXPECT_EQ(out.text, std::string(kFullJson) + kBareJson);
}

TEST(Listing, CsvLeavesEmptyWhatIsNotKnown) {
  StringOutput out;
  Listed held = full();
  held.holders = {Held::Process, {{{7, Comm("a,b"), 7}}, true}, 2};
  ASSERT_TRUE(write_listing_csv(out, {held, bare()}));
  EXPECT_EQ(out.text,
            "ts,mono_ns,conn,netns,family,laddr,lport,raddr,rport,state,age_ns,age,pid,comm,owner,"
            "cgroup,recv_queue,send_queue,retrans,timer,timer_ns,cgroup_path,container,pod,unit,"
            "held,holders,holders_more,recv_queue_peak,drops,iface,bound,port_range_first,"
            "port_range_last,port_range_reserved,owner_cgroup,socket_cgroup,"
            "machine,pod_namespace,pod_name,container_name\n"
            "2026-01-02T03:04:05.000000006Z,17,1a2b,4026531840,4,10.0.0.5,51234,93.184.216.34,443,"
            "CLOSE_WAIT,5000000000,at_least,4711,curl,connect,6432,1,0,3,keepalive,0,"
            "\"/a.slice/"
            "\"\"\",c0ffee,pod-1,'=nginx,process,\"[{\"\"pid\"\":7,\"\"comm\"\":\"\"a,b\"\"}]\",2,,"
            ",,,,,,,,,,,\n"
            "2026-01-02T03:04:05.000000006Z,17,1a2b,4026531840,4,10.0.0.5,51234,0.0.0.0,0,LISTEN,"
            ",unknown,,,none,,,,,,,,,,,,,,,,,,,,,,,,,,\n");
}

TEST(Listing, CsvOfNothingIsItsHeads) {
  StringOutput out;
  ASSERT_TRUE(write_listing_csv(out, {}));
  EXPECT_EQ(out.text.find('\n'), out.text.size() - 1);
}

/// An age may come from another program's answer.
std::string text_of(const Listed& one, std::size_t columns) {
  StringOutput out;
  ListingOptions options;
  options.columns = columns;
  EXPECT_TRUE(write_listing_text(out, {one}, options));
  return out.text;
}

TEST(Listing, ATerminalShowsWhoItIsWhereItHasNoRoomForAll) {
  EXPECT_EQ(text_of(full(), 70),
            "STATE           AGE  LOCAL           REMOTE             PID/COMM\n"
            "CLOSE_WAIT  >=5.00s  10.0.0.5:51234  93.184.216.34:443  4711/curl\n");
  EXPECT_EQ(text_of(full(), 40),
            "STATE           AGE  RECV-Q  PID/COMM\nCLOSE_WAIT  >=5.00s       1  4711/curl\n");
  EXPECT_EQ(text_of(full(), 300), text_of(full(), 0));
}

TEST(Listing, TheSummaryHasLinesOfATerminal) {
  StringOutput out;
  EXPECT_TRUE(write_listing_summary(out, {full(), bare()}, 40));
  EXPECT_EQ(out.text,
            "2 sockets: 1 LISTEN, 1 CLOSE_WAIT; by\n  owner: 1 curl (container:c0ffee), 1\n"
            "  nobody known\n");
}

TEST(Listing, AnAgeOfCenturiesBeganCenturiesAgo) {
  Listed one = listed({});
  one.seed.age = {Bound::AtLeast, UINT64_MAX};
  one.seed.wall_ns = 1'800'000'000'000'000'000;
  StringOutput out;
  ListingOptions options;
  options.time = true;
  ASSERT_TRUE(write_listing_text(out, {one}, options));
  EXPECT_NE(out.text.find("<=1677-09-2"), std::string::npos) << out.text;
}

}  // namespace
}  // namespace tcpdwell
