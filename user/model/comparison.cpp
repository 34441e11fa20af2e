// SPDX-License-Identifier: BSD-2-Clause
#include "model/comparison.h"

namespace tcpdwell {

std::string_view text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::TooFew:
      return "too few to tell";
    case Verdict::NoDifference:
      return "no difference seen";
    case Verdict::Longer:
      return "longer";
    case Verdict::Shorter:
      return "shorter";
  }
  return "";
}

}  // namespace tcpdwell
