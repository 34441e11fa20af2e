// SPDX-License-Identifier: BSD-2-Clause
// fmt, compiled once. Debian has it as a shared library, which the binary must not need, and as
// headers that define everything, which every file would compile again: up to a third of the time
// that it takes.
#include <fmt/format-inl.h>

// Declared by the headers, and defined for those types only that are asked for here.
template auto fmt::detail::thousands_sep_impl<char>(fmt::detail::locale_ref)
    -> fmt::detail::thousands_sep_result<char>;
template auto fmt::detail::decimal_point_impl<char>(fmt::detail::locale_ref) -> char;
template auto fmt::detail::dragonbox::to_decimal<float>(float) noexcept
    -> fmt::detail::dragonbox::decimal_fp<float>;
template auto fmt::detail::dragonbox::to_decimal<double>(double) noexcept
    -> fmt::detail::dragonbox::decimal_fp<double>;
#if FMT_VERSION >= 100000
template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view,
                                            fmt::detail::vformat_args<char>::type,
                                            fmt::detail::locale_ref);
#endif
