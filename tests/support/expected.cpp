// SPDX-License-Identifier: BSD-2-Clause
#include "support/expected.h"

namespace tcpdwell::test {
namespace {

using Lines = std::vector<ExpectedLine>;
constexpr auto kExact = Bound::Exact;
constexpr auto kUnknown = Bound::Unknown;

const Lines kActiveOpen = {
    {State::Close, State::SynSent, kUnknown},
    {State::SynSent, State::Established, kExact},
};
// The request socket is not followed: when the SYN came is not known.
const Lines kPassiveOpen = {
    {State::Listen, State::SynRecv, kUnknown},
    {State::SynRecv, State::Established, kUnknown},
};
// The time-wait socket is not followed: the last line is the hand-over to it.
const Lines kActiveClose = {
    {State::Established, State::FinWait1, kExact},
    {State::FinWait1, State::FinWait2, kExact},
    {State::FinWait2, State::Close, kUnknown},
};
const Lines kPassiveClose = {
    {State::Established, State::CloseWait, kExact},
    {State::CloseWait, State::LastAck, kExact},
    {State::LastAck, State::Close, kExact},
};
const Lines kActiveReset = {
    {State::Established, State::Close, kExact, Reason::ResetLocal},
};
const Lines kPassiveReset = {
    {State::Established, State::Close, kExact, Reason::ResetByPeer},
};

const Lines& ending(const Script& script, Side side) {
  const bool first = side == script.first;
  if (script.ending == Ending::Reset) return first ? kActiveReset : kPassiveReset;
  return first ? kActiveClose : kPassiveClose;
}

}  // namespace

std::vector<ExpectedLine> expected_chain(const Script& script, Side side) {
  Lines lines = side == Side::Client ? kActiveOpen : kPassiveOpen;
  const Lines& end = ending(script, side);
  lines.insert(lines.end(), end.begin(), end.end());
  return lines;
}

std::vector<ExpectedLine> expected_listener_chain() {
  return {{State::Close, State::Listen, kUnknown}, {State::Listen, State::Close, kExact}};
}

}  // namespace tcpdwell::test
