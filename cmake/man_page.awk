# A manual page (man1) out of what CLI11 prints for --help: a sentence, "Usage: ...", sections that begin with "Title:", in
# them options with their text in column 30 or on the next line, and examples.
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
  sub(/^lockstep /, "lockstep ")
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
/^[^ ]/ {  # sentences below the sections
  if (verbatim) section("NOTES")
  print escaped($0)
  next
}
verbatim { print escaped($0); next }
/^                / {  # the text of an option that leaves no room beside it
  sub(/^ +/, "")
  print escaped($0)
  next
}
{  # an option, a positional or a command
  sub(/^ +/, "")
  place = match($0, /  +/)
  print ".TP\n.B " escaped(place ? substr($0, 1, place - 1) : $0)
  if (place) print escaped(substr($0, place + RLENGTH))
}
END { if (verbatim) print ".fi" }
