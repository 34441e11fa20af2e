// SPDX-License-Identifier: BSD-2-Clause
#include "model/state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {
namespace {

Path path_of(const std::vector<State>& states) {
  Path path;
  for (const State state : states) path.push(state);
  return path;
}

TEST(State, HasNetstatsNames) {
  EXPECT_EQ(name_of(State::Unknown), "UNKNOWN");
  EXPECT_EQ(name_of(State::Established), "ESTABLISHED");
  EXPECT_EQ(name_of(State::SynSent), "SYN_SENT");
  EXPECT_EQ(name_of(State::SynRecv), "SYN_RECV");
  EXPECT_EQ(name_of(State::FinWait1), "FIN_WAIT1");
  EXPECT_EQ(name_of(State::FinWait2), "FIN_WAIT2");
  EXPECT_EQ(name_of(State::TimeWait), "TIME_WAIT");
  EXPECT_EQ(name_of(State::Close), "CLOSE");
  EXPECT_EQ(name_of(State::CloseWait), "CLOSE_WAIT");
  EXPECT_EQ(name_of(State::LastAck), "LAST_ACK");
  EXPECT_EQ(name_of(State::Listen), "LISTEN");
  EXPECT_EQ(name_of(State::Closing), "CLOSING");
}

TEST(State, OutOfRangeIsUnknown) {
  EXPECT_EQ(name_of(static_cast<State>(12)), "UNKNOWN");
  EXPECT_EQ(name_of(static_cast<State>(255)), "UNKNOWN");
  EXPECT_EQ(name_of(static_cast<Reason>(99)), "");
  EXPECT_EQ(name_of(static_cast<LossPlace>(99)), "ring");
}

TEST(State, LifeOrderNamesEveryStateOnce) {
  StateSet seen = 0;
  for (const State state : kLifeOrder) seen |= bit(state);
  EXPECT_EQ(seen, (1U << kStateCount) - 1);
}

TEST(ParseState, ReadsAnyCaseAndDash) {
  for (const State state : kLifeOrder) {
    std::string text(name_of(state));
    EXPECT_EQ(parse_state(text), state);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
    EXPECT_EQ(parse_state(text), state) << text;
  }
  EXPECT_EQ(parse_state("Time-Wait"), State::TimeWait);
}

TEST(ParseState, ReadsTheNamesOfSs) {
  EXPECT_EQ(parse_state("estab"), State::Established);
  EXPECT_EQ(parse_state("ESTAB"), State::Established);
  EXPECT_EQ(parse_state("closed"), State::Close);
  EXPECT_EQ(parse_state("listening"), State::Listen);
  EXPECT_EQ(parse_state("fin-wait-1"), State::FinWait1);
  EXPECT_EQ(parse_state("FIN_WAIT_2"), State::FinWait2);
  EXPECT_EQ(parse_state("syn-rcv"), State::SynRecv);
  EXPECT_EQ(parse_state("SYN-RECV"), State::SynRecv);
}

TEST(ParseState, RejectsEverythingElse) {
  for (const auto text : {"", "ESTABLISH", "ESTABLISHEDX", "TIME WAIT", " CLOSE", "CLOSE ", "7",
                          "TIME__WAIT", "SYN", "ESTABLISHED_ESTABLISHED"}) {
    EXPECT_EQ(parse_state(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_state(std::string_view("CLOSE\0", 6)), std::nullopt);
}

template <class Enum>
void expect_round_trip(std::size_t count, std::optional<Enum> (*parse)(std::string_view)) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    EXPECT_EQ(parse(name_of(value)), value) << name_of(value);
  }
  EXPECT_EQ(parse("nonsense"), std::nullopt);
}

TEST(Vocabularies, RoundTrip) {
  expect_round_trip<Bound>(kBoundCount, parse_bound);
  expect_round_trip<OwnerSource>(kOwnerSourceCount, parse_owner_source);
  expect_round_trip<Reason>(kReasonCount, parse_reason);
  expect_round_trip<Closer>(4, parse_closer);
  expect_round_trip<LossPlace>(kLossPlaceCount, parse_loss_place);
}

TEST(Vocabularies, HaveTheContractsWords) {
  EXPECT_EQ(name_of(Bound::AtLeast), "at_least");
  EXPECT_EQ(name_of(OwnerSource::Listen), "listen");
  EXPECT_EQ(name_of(Reason::None), "");
  EXPECT_EQ(name_of(Reason::ResetByPeer), "reset_by_peer");
  EXPECT_EQ(name_of(Reason::SynTimeout), "syn_timeout");
  EXPECT_EQ(name_of(Closer::Both), "both");
  EXPECT_EQ(name_of(LossPlace::Recursion), "recursion");
}

TEST(Path, StartsEmpty) {
  const Path path;
  EXPECT_TRUE(path.empty());
  EXPECT_EQ(path.to_string(), "");
  EXPECT_EQ(path.first(), State::Unknown);
  EXPECT_FALSE(path.contains(State::Unknown));
}

TEST(Path, KeepsTheOrder) {
  const Path path = path_of({State::SynSent, State::Established, State::Close});
  EXPECT_EQ(path.to_string(), "SYN_SENT>ESTABLISHED>CLOSE");
  EXPECT_EQ(path.first(), State::SynSent);
  EXPECT_TRUE(path.contains(State::Close));
  EXPECT_FALSE(path.contains(State::TimeWait));
}

TEST(Path, ReadsTheKernelsPacking) {
  EXPECT_EQ(Path(0x217).to_string(), "SYN_SENT>ESTABLISHED>CLOSE");
  EXPECT_EQ(path_of({State::SynSent, State::Established, State::Close}).packed(), 0x217U);
  EXPECT_EQ(Path(0xf).to_string(), "UNKNOWN") << "a number that is no state";
}

TEST(Path, KeepsAnUnknownStateInTheMiddle) {
  const Path path = path_of({State::Listen, State::Unknown, State::Close});
  EXPECT_EQ(path.to_string(), "LISTEN>UNKNOWN>CLOSE");
  EXPECT_TRUE(path.contains(State::Unknown));
}

TEST(Path, KeepsTheLastSixteen) {
  std::vector<State> states(16, State::Established);
  states.insert(states.begin(), State::Listen);
  const Path path = path_of(states);
  EXPECT_FALSE(path.contains(State::Listen));
  EXPECT_EQ(path.first(), State::Established);
  EXPECT_EQ(path.packed(), 0x1111'1111'1111'1111U);
}

TEST(Path, ParsesWhatItPrints) {
  const std::vector<Path> paths = {Path(), path_of({State::Close}),
                                   path_of({State::Listen, State::Unknown, State::Unknown}),
                                   path_of(std::vector<State>(16, State::Closing)),
                                   path_of({kLifeOrder.begin(), kLifeOrder.end()})};
  for (const Path path : paths) EXPECT_EQ(Path::parse(path.to_string()), path) << path.to_string();
}

TEST(Path, ParsesNothingElse) {
  std::string seventeen = "LISTEN";
  for (int i = 0; i < 16; ++i) seventeen += ">LISTEN";
  for (const std::string& text :
       {seventeen, std::string("CLOSE>"), std::string(">CLOSE"), std::string("CLOSE>>CLOSE"),
        std::string("close"), std::string("TIME-WAIT"), std::string("ESTAB"), std::string("CLOSE "),
        std::string("UNKNOWN"), std::string("UNKNOWN>CLOSE"), std::string(">"),
        std::string("CLOSE,CLOSE")}) {
    EXPECT_EQ(Path::parse(text), std::nullopt) << text;
  }
}

struct CloserCase {
  std::string_view path;
  Reason reason;
  Closer closer;
};

TEST(Closer, FollowsTheFirstFin) {
  for (const auto& [text, reason, closer] : {
           CloserCase{"SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>TIME_WAIT>CLOSE", Reason::Expired,
                      Closer::Local},
           CloserCase{"LISTEN>SYN_RECV>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE", Reason::None,
                      Closer::Remote},
           CloserCase{"ESTABLISHED>FIN_WAIT1>CLOSING>TIME_WAIT>CLOSE", Reason::None, Closer::Both},
           CloserCase{"ESTABLISHED>FIN_WAIT1>CLOSE", Reason::ResetByPeer, Closer::Local},
           CloserCase{"ESTABLISHED>CLOSE_WAIT>CLOSE", Reason::ResetLocal, Closer::Remote},
           CloserCase{"SYN_RECV>FIN_WAIT1>CLOSE", Reason::Timeout, Closer::Local},
       }) {
    EXPECT_EQ(closer_of(*Path::parse(text), reason), closer) << text;
  }
}

TEST(Closer, TheFirstOfSeveralFinsCounts) {
  EXPECT_EQ(closer_of(*Path::parse("FIN_WAIT1>FIN_WAIT2>TIME_WAIT>SYN_RECV>CLOSE_WAIT>CLOSE"),
                      Reason::None),
            Closer::Local);
  EXPECT_EQ(closer_of(*Path::parse("CLOSE_WAIT>LAST_ACK>FIN_WAIT1>CLOSE"), Reason::None),
            Closer::Remote);
}

TEST(Closer, APathThatStartsLateStillTells) {
  EXPECT_EQ(closer_of(*Path::parse("FIN_WAIT2>TIME_WAIT>CLOSE"), Reason::Expired), Closer::Local);
  EXPECT_EQ(closer_of(*Path::parse("LAST_ACK>CLOSE"), Reason::None), Closer::Remote);
  EXPECT_EQ(closer_of(*Path::parse("TIME_WAIT>CLOSE"), Reason::Expired), Closer::None);
}

TEST(Closer, AConnectionStillOpenTellsToo) {
  EXPECT_EQ(closer_of(*Path::parse("ESTABLISHED>FIN_WAIT1"), Reason::None), Closer::Local);
  EXPECT_EQ(closer_of(*Path::parse("ESTABLISHED>CLOSE_WAIT"), Reason::None), Closer::Remote);
}

TEST(Closer, AResetCountsForItsSender) {
  const Path path = *Path::parse("SYN_SENT>ESTABLISHED>CLOSE");
  EXPECT_EQ(closer_of(path, Reason::ResetByPeer), Closer::Remote);
  EXPECT_EQ(closer_of(path, Reason::Refused), Closer::Remote);
  EXPECT_EQ(closer_of(path, Reason::ResetLocal), Closer::Local);
  EXPECT_EQ(closer_of(path, Reason::Aborted), Closer::Local);
  for (const char* text : {"SYN_SENT>CLOSE", "SYN_RECV>CLOSE"})
    EXPECT_EQ(closer_of(*Path::parse(text), Reason::Aborted), Closer::None) << text;
  for (const Reason reason : {Reason::None, Reason::Timeout, Reason::Expired, Reason::Purged,
                              Reason::Overflow, Reason::SynTimeout}) {
    EXPECT_EQ(closer_of(path, reason), Closer::None) << name_of(reason);
  }
  EXPECT_EQ(closer_of(Path(), Reason::Refused), Closer::Remote);
}

}  // namespace
}  // namespace tcpdwell
