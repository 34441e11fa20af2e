// SPDX-License-Identifier: BSD-2-Clause
/// Has the kernel side count and group what is open (include/tcpdwell/survey.h).
#pragma once

#include <cstdint>

#include "capture/port_watch.h"
#include "capture/walker.h"
#include "model/survey.h"

namespace tcpdwell {

class Surveyor {
 public:
  /// All must outlive it.
  Surveyor(tcpdwell_bpf& skeleton, Walker& walker, PortWatch& ports)
      : skeleton_(skeleton), walker_(walker), ports_(ports) {}
  /// One walk; with a list two, or three where very many sockets are of nearly the same age. Those
  /// of the list come through the ring, to whoever drains it, in no order and a few too many.
  Result<Survey> take(const SurveyWish& wish, const Drain& drain);

 private:
  Status count(const SurveyWish& wish, const Drain& drain);
  Status list(const SurveyWish& wish, const Drain& drain);
  Result<Survey> read();
  Status read_owners(Survey& survey);
  Status read_ports(Survey& survey);
  Status read_held(Survey& survey);
  Status read_cgroups(Survey& survey);
  Status read_listeners(Survey& survey);
  Status read_listen_ports(Survey& survey);

  tcpdwell_bpf& skeleton_;
  Walker& walker_;
  PortWatch& ports_;  ///< names of devices
};

}  // namespace tcpdwell
