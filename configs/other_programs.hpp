// Names that other programs give to the parameters, for `lockstep import`, in addition to the aliases of the
// rows.
#pragma once

#include <map>
#include <string>

namespace lockstep {

/// Keys that correspond to a row, by plain_name(); none of them is a key or alias of the table.
const std::map<std::string, std::string>& rows_of_other_keys();

/// Keys that correspond to several rows, or to a row with another meaning, by plain_name(), with what to do
/// instead.
const std::map<std::string, std::string>& advice_on_other_keys();

/// Other words for choices, also for switches, in lower case without '_' and '-'; the first that is a choice
/// of the row counts.
const std::multimap<std::string, std::string>& other_words();

}  // namespace lockstep
