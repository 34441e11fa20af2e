// SPDX-License-Identifier: BSD-2-Clause
#include "cli/outline.h"

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/help.h"

namespace tcpdwell {
namespace {

OptionOutline outline_of(const CLI::Option& option, const RawOptions& raw) {
  OptionOutline made;
  for (const std::string& name : option.get_snames()) made.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) made.names.push_back("--" + name);
  made.positional = made.names.empty();
  if (made.positional) made.names.push_back(option.get_name(true));
  made.value = value_name(option);
  made.text = option.get_description();
  made.group = option.get_group();
  if (const auto offer = raw.offers.find(&option); offer != raw.offers.end()) {
    made.choices = offer->second.words;
    made.files = offer->second.files;
  }
  return made;
}

CommandOutline outline_of(const CLI::App& app, const RawOptions& raw) {
  CommandOutline made;
  made.name = app.get_parent() == nullptr ? "" : app.get_name();
  made.summary = app.get_description();
  made.footer = app.get_footer();
  made.program = takes_program(made.name);
  if (const auto* format = dynamic_cast<const HelpFormat*>(app.get_formatter().get()))
    made.usage = format->usage();
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) made.options.push_back(outline_of(*option, raw));
  return made;
}

}  // namespace

std::vector<CommandOutline> outline() {
  CLI::App app;
  Invocation invocation;
  offer_commands(app, invocation);
  std::vector<CommandOutline> made{outline_of(app, invocation.raw)};
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (!command->get_group().empty()) made.push_back(outline_of(*command, invocation.raw));
  return made;
}

}  // namespace tcpdwell
