// SPDX-License-Identifier: BSD-2-Clause
#include "cli/app.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "run/child.h"
#include "run/inherited.h"
#include "run/pipeline.h"
#include "util/nearest.h"
#include "util/output.h"

namespace tcpdwell {
namespace {

constexpr int kUsage = static_cast<int>(Fault::Usage);

struct Words {
  std::vector<std::string> ours, command;
};

/// Splits at the first `--`; what follows is a command line of its own.
Words split(int argc, char** argv) {
  Words words;
  char** const end = argv + argc;
  char** const dashes = std::find(argv + 1, end, std::string_view("--"));
  words.ours.assign(argv + 1, dashes);
  if (dashes != end) words.command.assign(dashes + 1, end);
  return words;
}

/// Without a command word it is `trace`: `tcpdwell -p 12` traces.
bool wants_default(const std::vector<std::string>& words) {
  if (words.empty()) return true;
  const std::string& first = words.front();
  if (first == "-h" || first == "--help" || first == "--version") return false;
  return first.rfind('-', 0) == 0;
}

/// CLI11 may say it in several lines; ours is one.
std::string one_line(std::string text) {
  text.erase(text.find_last_not_of('\n') + 1);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

/// The long names of a command's flags, without dashes.
std::vector<std::string> flag_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    if (!option->get_group().empty())
      names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
  return names;
}

/// "; it is of trace, stat and report", where other commands have this flag.
std::string who_has(const CLI::App& app, const std::string& flag) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (const CLI::Option* option = command->get_option_no_throw(flag);
        option != nullptr && !option->get_group().empty())
      names.push_back(command->get_name());
  if (names.empty()) return "";
  const std::string last = names.back();
  names.pop_back();
  return names.empty() ? "; it is of " + last
                       : fmt::format("; it is of {} and {}", fmt::join(names, ", "), last);
}

/// "stuck has no --by; it is of trace, stat, ...": absent where what is wrong is no flag.
std::optional<std::string> unknown_flag(const CLI::App& app) {
  if (app.get_subcommands().empty()) return std::nullopt;
  const CLI::App& command = *app.get_subcommands().front();
  const std::vector<std::string> left = command.remaining();
  const auto flag = std::find_if(left.begin(), left.end(), [](const std::string& word) {
    return word.size() > 1 && word.front() == '-';
  });
  if (flag == left.end()) return std::nullopt;
  const std::string name = flag->substr(0, flag->find('='));
  std::string message = fmt::format("{} has no {}", command.get_name(), name);
  const std::string elsewhere = who_has(app, name);
  if (!elsewhere.empty()) return message + elsewhere;
  const auto meant = nearest(name.substr(name.find_first_not_of('-')), flag_names(command));
  return meant ? fmt::format("{}; did you mean --{}?", message, *meant) : message;
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  std::string message = fmt::format("there is no command '{}'", word);
  if (const auto meant = nearest(word, command_names(app)))
    return fmt::format("{}; did you mean {}?", message, *meant);
  return ChildCommand::find(word)
             ? fmt::format("{}; to trace a program: tcpdwell -- {}", message, word)
             : message;
}

int parse_failure(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream text;
    app.exit(error, text, text);
    const Status status = print(text.str());
    if (status) return 0;
    complain(status.error().message);
    return static_cast<int>(Fault::Runtime);
  }
  const auto chosen = app.get_subcommands();
  const auto flag = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)
                        ? unknown_flag(app)
                        : std::nullopt;
  complain(fmt::format("{} (see 'tcpdwell {}--help')", flag ? *flag : one_line(error.what()),
                       chosen.empty() ? "" : chosen.front()->get_name() + " "));
  return kUsage;
}

Status check_command(const CLI::App& app, const Words& words, bool dashes) {
  if (!dashes) return Ok;
  const std::string name = app.get_subcommands().front()->get_name();
  if (words.command.empty()) return Error{Fault::Usage, "no command after --"};
  if (!takes_program(name)) return Error{Fault::Usage, fmt::format("{} takes no command", name)};
  return ChildCommand::find(words.command.front());
}

/// A closed standard stream would lend its number to the next file opened, and get its contents: it
/// is taken by one that every use of fails (EBADF).
void reserve_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) < 0) [[maybe_unused]]
      const int taken = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/// File capabilities are another matter: they give what tracing needs, and no file of somebody
/// else.
bool is_set_id() { return getuid() != geteuid() || getgid() != getegid(); }

}  // namespace

int run_app(int argc, char** argv) {
  reserve_standard_streams();
  if (is_set_id()) {
    complain(
        "refused: the program is set-user-ID or set-group-ID, and would show and write what its "
        "user may not; "
        "run it as root, or give it capabilities (setcap cap_bpf,cap_perfmon+ep)");
    return static_cast<int>(Fault::Permission);
  }
  change_for_ourselves();
  CLI::App app;
  Invocation invocation;
  offer_commands(app, invocation);

  const bool dashes = std::any_of(argv + 1, argv + argc,
                                  [](const char* word) { return std::string_view(word) == "--"; });
  Words words = split(argc, argv);
  if (wants_default(words.ours)) words.ours.insert(words.ours.begin(), "trace");
  try {
    std::vector<std::string> reversed(words.ours.rbegin(), words.ours.rend());
    app.parse(reversed);
  } catch (const CLI::RequiredError& error) {
    if (!app.get_subcommands().empty()) return parse_failure(app, error);
    complain(unknown_command(app, words.ours.front()) + " (see 'tcpdwell --help')");
    return kUsage;
  } catch (const CLI::ParseError& error) {
    return parse_failure(app, error);
  }
  invocation.command = words.command;
  Status status = check_command(app, words, dashes);
  auto outcome = status ? invocation.action() : Result<int>(status.error());
  if (outcome) return *outcome;
  complain(outcome.error().message);
  return static_cast<int>(outcome.error().fault);
}

}  // namespace tcpdwell
