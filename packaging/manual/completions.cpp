// SPDX-License-Identifier: BSD-2-Clause
/// Completions for three shells. Without a command word it is `trace`.
#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "manual.h"

namespace tcpdwell {
namespace {

constexpr const char* kNotice = "# Completions of tcpdwell, made from its command line.\n";

bool is_list(const OptionOutline& option) { return option.value == "LIST"; }

bool takes_files(const CommandOutline& command) {
  return std::any_of(command.options.begin(), command.options.end(),
                     [](const OptionOutline& option) { return option.positional && option.files; });
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : between) + word;
  return all;
}

/// One line without the characters that a shell's syntax around it gives a meaning.
std::string brief(std::string text, std::string_view special) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::erase_if(text, [&](char c) { return special.find(c) != std::string_view::npos; });
  return text;
}

std::vector<std::string> names_of(const std::vector<CommandOutline>& commands) {
  std::vector<std::string> names;
  for (const CommandOutline& command : commands)
    if (!command.name.empty()) names.push_back(command.name);
  return names;
}

std::vector<std::string> flags_of(const CommandOutline& command) {
  std::vector<std::string> names;
  for (const OptionOutline& option : command.options)
    if (!option.positional) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

/// What may follow a command that is no option: the states of `explain`.
std::vector<std::string> words_of(const CommandOutline& command) {
  for (const OptionOutline& option : command.options)
    if (option.positional && !option.choices.empty()) return option.choices;
  return {};
}

void bash_values(std::ostream& out, const CommandOutline& command) {
  for (const OptionOutline& option : command.options) {
    if (option.positional || option.value.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) patterns.push_back(command.name + ":" + name);
    out << "    " << joined(patterns, " | ") << ") ";
    if (!option.choices.empty())
      out << (is_list(option) ? "_tcpdwell_list" : "_tcpdwell_words") << " \""
          << joined(option.choices, " ") << "\"; ";
    else if (option.files)
      out << "_tcpdwell_files; ";
    out << "return ;;\n";
  }
}

void bash_command(std::ostream& out, const CommandOutline& command) {
  out << "    " << command.name << ":-*) _tcpdwell_words \"" << joined(flags_of(command), " ")
      << "\" ;;\n";
  if (const auto words = words_of(command); !words.empty())
    out << "    " << command.name << ":*) _tcpdwell_words \"" << joined(words, " ") << "\" ;;\n";
  else if (takes_files(command))
    out << "    " << command.name << ":*) _tcpdwell_files ;;\n";
}

void zsh_option(std::ostream& out, const OptionOutline& option) {
  const std::string text = brief(option.text, "'[]:");
  std::string names = joined(option.names, ",");
  out << " \\\n        ";
  if (is_list(option))
    out << "'*'";
  else
    out << "'(" << joined(option.names, " ") << ")'";
  out << (option.names.size() > 1 ? "{" + names + "}" : names) << "'[" << text << "]";
  if (!option.value.empty()) {
    out << ":" << brief(option.value, "'[]:") << ":";
    if (!option.choices.empty() && is_list(option))
      out << "_sequence compadd - " << joined(option.choices, " ");
    else if (!option.choices.empty())
      out << "(" << joined(option.choices, " ") << ")";
    else
      out << (option.files ? "_files" : " ");
  }
  out << "'";
}

void zsh_command(std::ostream& out, const CommandOutline& command) {
  out << "    " << command.name << ")\n      _arguments -s";
  for (const OptionOutline& option : command.options)
    if (!option.positional) zsh_option(out, option);
  if (const auto words = words_of(command); !words.empty())
    out << " \\\n        '1:state:(" << joined(words, " ") << ")'";
  else if (takes_files(command))
    out << " \\\n        '*:trace:_files'";
  else if (command.program)
    out << " \\\n        '*::program:_normal'";
  out << "\n      ;;\n";
}

void fish_option(std::ostream& out, const std::string& condition, const OptionOutline& option) {
  out << "complete -c tcpdwell -n '" << condition << "'";
  for (const std::string& name : option.names)
    out << (name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
  if (!option.choices.empty())
    out << " -x -a '" << joined(option.choices, " ") << "'";
  else if (!option.value.empty())
    out << (option.files ? " -r -F" : " -x");
  out << " -d '" << brief(option.text, "'\\") << "'\n";
}

}  // namespace

void write_bash(std::ostream& out, const std::vector<CommandOutline>& commands) {
  const std::string names = joined(names_of(commands), " ");
  out << kNotice << R"(
_tcpdwell_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

# The last of a list of words separated by commas.
_tcpdwell_list() {
  local before=
  [[ $cur != *,* ]] || before=${cur%,*},
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${cur##*,}")
}

_tcpdwell_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_tcpdwell() {
  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=trace i
  COMPREPLY=()
  # The shell makes three words of --option=value.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == -- ]] || continue
    if ((i + 1 == COMP_CWORD)); then
      mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
      _tcpdwell_files
    fi
    return
  done
  if ((COMP_CWORD > 1)) && [[ " )"
      << names << R"( " == *" ${COMP_WORDS[1]} "* ]]; then
    command=${COMP_WORDS[1]}
  elif ((COMP_CWORD == 1)) && [[ $cur != -* ]]; then
    _tcpdwell_words ")"
      << names << R"("
    return
  elif ((COMP_CWORD == 1)); then
    command=
  fi
  case $command:$before in
)";
  for (const CommandOutline& command : commands) bash_values(out, command);
  out << "  esac\n  case $command:$cur in\n";
  for (const CommandOutline& command : commands) {
    if (command.name.empty()) {
      // Of the first word: the program's own options, and those of trace.
      const auto& trace = commands.at(1);
      out << "    :-*) _tcpdwell_words \"" << joined(flags_of(command), " ") << " "
          << joined(flags_of(trace), " ") << "\" ;;\n";
    } else {
      bash_command(out, command);
    }
  }
  out << "  esac\n}\n\ncomplete -F _tcpdwell tcpdwell\n";
}

void write_zsh(std::ostream& out, const std::vector<CommandOutline>& commands) {
  out << "#compdef tcpdwell\n" << kNotice << "\n_tcpdwell() {\n  local -a commands=(\n";
  for (const CommandOutline& command : commands)
    if (!command.name.empty())
      out << "    '" << command.name << ":" << brief(command.summary, "':") << "'\n";
  out << R"(  )
  local command=trace
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe command commands
    return
  fi
  if [[ $words[2] != -* ]]; then
    command=$words[2]
    shift words
    ((CURRENT -= 1))
  fi
  case $command in
)";
  for (const CommandOutline& command : commands)
    if (!command.name.empty()) zsh_command(out, command);
  out << "  esac\n}\n\n_tcpdwell \"$@\"\n";
}

void write_fish(std::ostream& out, const std::vector<CommandOutline>& commands) {
  const auto names = names_of(commands);
  out << kNotice << "\ncomplete -c tcpdwell -f\n";
  for (const CommandOutline& command : commands) {
    if (command.name.empty()) {
      for (const OptionOutline& option : command.options)
        fish_option(out, "__fish_use_subcommand", option);
      continue;
    }
    out << "\ncomplete -c tcpdwell -n __fish_use_subcommand -a " << command.name << " -d '"
        << brief(command.summary, "'\\") << "'\n";
    std::string condition = "__fish_seen_subcommand_from " + command.name;
    if (command.name == "trace") {
      auto others = names;
      std::erase(others, "trace");
      condition = "not __fish_seen_subcommand_from " + joined(others, " ");
    }
    for (const OptionOutline& option : command.options)
      if (!option.positional && option.names.back() != "--help")
        fish_option(out, condition, option);
    if (const auto words = words_of(command); !words.empty())
      out << "complete -c tcpdwell -n '" << condition << "' -a '" << joined(words, " ") << "'\n";
    if (takes_files(command)) out << "complete -c tcpdwell -n '" << condition << "' -F\n";
  }
}

}  // namespace tcpdwell
