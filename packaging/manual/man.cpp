// SPDX-License-Identifier: BSD-2-Clause
/// The manual page (mdoc): prose from a template, commands and options from what `--help` prints.
#include <algorithm>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manual.h"

namespace tcpdwell {
namespace {

/// An option that several commands have, with what each says of it.
struct Shared {
  const OptionOutline* option;
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;  ///< text, its commands
  std::size_t users() const {
    std::size_t n = 0;
    for (const auto& [text, commands] : texts) n += commands.size();
    return n;
  }
};

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

/// A sentence a line and lines of a terminal's width, as mandoc's lint wants it; no word of the
/// text is taken for one of roff's requests.
std::string prose(const std::string& text) {
  std::string page, word;
  std::size_t column = 0;
  std::istringstream words(text);
  while (words >> word) {
    for (std::size_t at = 0; (at = word.find('\\', at)) != std::string::npos; at += 2)
      word.replace(at, 1, "\\e");
    const bool starts = column == 0;
    if (!starts && column + 1 + word.size() > 78) {
      page += '\n';
      column = 0;
    } else if (!starts) {
      page += ' ';
      ++column;
    }
    if (column == 0 && (word[0] == '.' || word[0] == '\'')) word.insert(0, "\\&");
    page += word;
    column += word.size();
    if (word.back() == '.' && words.rdbuf()->in_avail() > 0) {
      page += '\n';
      column = 0;
    }
  }
  return page;
}

std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  if (!text.empty() && text.back() != '.') text += '.';
  return prose(text);
}

void write_names(std::ostream& out, const OptionOutline& option) {
  out << ".It";
  for (const std::string& name : option.names)
    out << (&name == &option.names.front() ? "" : " ,") << " Fl "
        << std::string_view(name).substr(1);
  if (!option.value.empty()) out << " Ar " << option.value;
  out << "\n";
}

std::vector<Shared> shared_options(const std::vector<CommandOutline>& commands,
                                   const std::string& group) {
  std::vector<Shared> all;
  for (const CommandOutline& command : commands)
    for (const OptionOutline& option : command.options) {
      if (option.positional || option.group != group) continue;
      auto same = std::find_if(all.begin(), all.end(),
                               [&](const Shared& s) { return s.option->names == option.names; });
      if (same == all.end()) same = all.insert(all.end(), {&option, {}});
      auto text = std::find_if(same->texts.begin(), same->texts.end(),
                               [&](const auto& t) { return t.first == option.text; });
      if (text == same->texts.end())
        text = same->texts.insert(same->texts.end(), {option.text, {}});
      text->second.push_back(command.name);
    }
  return all;
}

void write_group(std::ostream& out, const std::vector<CommandOutline>& commands,
                 const std::string& group) {
  const std::vector<Shared> all = shared_options(commands, group);
  if (all.empty()) return;
  out << ".Ss " << (group == "Options" ? "Others" : group) << "\n.Bl -tag -width Ds\n";
  for (const Shared& shared : all) {
    write_names(out, *shared.option);
    for (const auto& [text, users] : shared.texts) {
      out << sentence(text) << "\n";
      if (shared.users() != commands.size() && !users.front().empty())
        out << prose("(" + joined(users) + ")") << "\n";
    }
  }
  out << ".El\n";
}

std::string once(std::vector<std::string>& seen, const std::string& group) {
  if (std::find(seen.begin(), seen.end(), group) != seen.end()) return "";
  seen.push_back(group);
  return group;
}

void write_options(std::ostream& out, const std::vector<CommandOutline>& commands) {
  std::vector<std::string> seen{"Options"};
  for (const CommandOutline& command : commands)
    for (const OptionOutline& option : command.options)
      if (const std::string group = once(seen, option.group); !group.empty() && !option.positional)
        write_group(out, commands, group);
  write_group(out, commands, "Options");
}

void write_commands(std::ostream& out, const std::vector<CommandOutline>& commands) {
  out << ".Bl -tag -width Ds\n";
  for (const CommandOutline& command : commands) {
    if (command.name.empty()) continue;
    out << ".It Cm " << command.usage << "\n" << sentence(command.summary) << "\n";
    for (const OptionOutline& option : command.options)
      if (option.positional)
        out << ".Ar " << option.names.front() << " :\n" << sentence(option.text) << "\n";
    if (!command.footer.empty()) out << sentence(command.footer) << "\n";
  }
  out << ".El\n";
}

}  // namespace

void write_man(std::ostream& out, std::istream& page, const std::vector<CommandOutline>& commands) {
  for (std::string line; std::getline(page, line);) {
    if (line == ".\\\" <commands>")
      write_commands(out, commands);
    else if (line == ".\\\" <options>")
      write_options(out, commands);
    else
      out << line << "\n";
  }
}

}  // namespace tcpdwell
