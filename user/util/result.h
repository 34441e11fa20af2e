// SPDX-License-Identifier: BSD-2-Clause
/// Errors as values: what went wrong, in words for the person at the terminal, and which exit
/// status the contract gives it.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace tcpdwell {

/// Why a command failed; the value is the process exit status.
enum class Fault : int {
  Runtime = 1,      ///< could not attach, write error
  Usage = 2,        ///< bad arguments or bad input file
  Permission = 3,   ///< a privilege is missing
  Unsupported = 4,  ///< this kernel cannot
};

/// One failure. `message` is one line without "tcpdwell:" and without a final newline; it says
/// what to do where there is something to do.
struct Error {
  Fault fault = Fault::Runtime;
  std::string message;
  int os_errno = 0;  ///< errno behind the failure, 0 if none
};

/// What a system call failed to do, and its errno: "cannot make a pipe: Too many open files".
inline Error os_error(Fault fault, int os_errno, const std::string& what) {
  return {fault, what + ": " + std::strerror(os_errno), os_errno};
}

/// A value or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};

/// Success, or an Error: `return Ok;` or `return Error{…};`.
using Status = Result<Unit>;
inline const Unit Ok{};

}  // namespace tcpdwell
