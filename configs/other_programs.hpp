// What other programs call the parameters of the table, for `lockstep import`, beyond the aliases of the
// rows.
#pragma once

#include <map>
#include <string>

namespace lockstep {

/// Keys that are rows here, by their plain_name(); none of them is a name of the table.
const std::map<std::string, std::string>& rows_of_other_keys();

/// Keys that mean more than one row, or a row in another way, by their plain_name(), with what to do.
const std::map<std::string, std::string>& advice_on_other_keys();

/// Choices that other programs call by another word, or switch on and off, in small letters without '_' and
/// '-'; of several, the first that is a choice.
const std::multimap<std::string, std::string>& other_words();

}  // namespace lockstep
