# Turns the output of CLI11's --help into a manual page (man1). It has a sentence, "Usage: ...", and sections that begin with
# "Title:"; options have their text beside them or on the next line.
function escaped(text) {
  gsub(/\\/, "\\e", text)
  gsub(/-/, "\\-", text)
  if (text ~ /^[.']/) text = "\\&" text
  return text
}
function section(title) {
  if (verbatim) print ".fi"
  verbatim = (title == "EXAMPLES")
  print ".SH " title
  if (verbatim) print ".nf"
}
BEGIN { printf ".TH \"%s\" 1 \"\" \"lockstep %s\" \"lockstep\"\n", toupper(name), version }
NR == 1 {
  sub(/^lockstep(-worker)?: /, "")
  sub(/\.$/, "")
  print ".SH NAME\n" escaped(name) " \\- " escaped($0)
  next
}
/^Usage: / {
  sub(/^Usage: /, "")
  section("SYNOPSIS")
  print escaped($0)
  next
}
/^[A-Z][a-z]+:$/ {
  sub(/:$/, "")
  section(toupper($0))
  next
}
/^$/ { next }
/^[^ ]/ {  # sentences after the last section
  if (verbatim) section("NOTES")
  print escaped($0)
  next
}
verbatim { print escaped($0); next }
/^                / {  # the text of a long option, on a line of its own
  sub(/^ +/, "")
  print escaped($0)
  next
}
{  # an option, a positional or a subcommand
  sub(/^ +/, "")
  place = match($0, /  +/)
  print ".TP\n.B " escaped(place ? substr($0, 1, place - 1) : $0)
  if (place) print escaped(substr($0, place + RLENGTH))
}
END { if (verbatim) print ".fi" }
