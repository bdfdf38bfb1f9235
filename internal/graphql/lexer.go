package graphql

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The kinds of token, as errors name them.
const (
	kindStart  = "<SOF>"
	kindEnd    = "<EOF>"
	kindSpread = "..."
	kindName   = "Name"
	kindInt    = "Int"
	kindFloat  = "Float"
	kindString = "String"
	kindBlock  = "BlockString"
)

// tok is one token. Only names, numbers and strings have a value.
type tok struct {
	kind  string
	value string
	at    Location
}

// String describes the token in an error.
func (t tok) String() string {
	switch t.kind {
	case kindName, kindInt, kindFloat, kindString, kindBlock:
		return t.kind + ` "` + clip(t.value) + `"`
	}
	return t.kind
}

// clip bounds what an error repeats of the document.
func clip(s string) string {
	if len(s) <= nameInError {
		return s
	}
	s = s[:nameInError]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// end is the code of no character.
const end rune = -1

type lexer struct {
	text string
	pos  int // byte
	at   Location
	err  *Error
}

func newLexer(text string) *lexer {
	return &lexer{text: strings.ToValidUTF8(text, "\uFFFD"), at: Location{1, 1}}
}

func (l *lexer) peek() rune {
	if l.pos >= len(l.text) {
		return end
	}
	r, _ := utf8.DecodeRuneInString(l.text[l.pos:])
	return r
}

// step goes one character on; a line ends with LF, CR or both.
func (l *lexer) step() rune {
	r, size := utf8.DecodeRuneInString(l.text[l.pos:])
	l.pos += size
	l.at.Column++
	if r == '\n' || r == '\r' && l.peek() != '\n' {
		l.at = Location{l.at.Line + 1, 1}
	}
	return r
}

func syntax(at Location, format string, args ...any) *Error {
	return &Error{Message: "Syntax Error: " + fmt.Sprintf(format, args...), Locations: []Location{at}}
}

// fail keeps the first error; everything after it reads as the end.
func (l *lexer) fail(at Location, format string, args ...any) {
	if l.err == nil {
		l.err = syntax(at, format, args...)
	}
	l.pos = len(l.text)
}

// next reads one token, skipping blanks, commas and comments.
func (l *lexer) next() tok {
	l.skip()
	t := tok{kind: kindEnd, at: l.at}
	switch c := l.peek(); {
	case c == end:
	case strings.ContainsRune("!$&():=@[]{|}", c):
		t.kind = string(l.step())
	case c == '.':
		l.dots(&t)
	case nameStart(c):
		t.kind, t.value = kindName, l.name()
	case c == '-' || digit(c):
		l.number(&t)
	case c == '"':
		l.quoted(&t)
	default:
		l.fail(l.at, "%s", unexpectedCharacter(c))
	}
	return t
}

func (l *lexer) skip() {
	for l.pos < len(l.text) {
		switch c := l.peek(); {
		case c == ' ' || c == '\t' || c == ',' || c == '\ufeff' || c == '\n' || c == '\r':
			l.step()
		case c == '#':
			for c := l.peek(); c >= ' ' || c == '\t'; c = l.peek() {
				l.step()
			}
		default:
			return
		}
	}
}

func (l *lexer) dots(t *tok) {
	if !strings.HasPrefix(l.text[l.pos:], kindSpread) {
		l.fail(l.at, "%s", unexpectedCharacter('.'))
		return
	}
	l.step()
	l.step()
	l.step()
	t.kind = kindSpread
}

func nameStart(c rune) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func digit(c rune) bool { return '0' <= c && c <= '9' }

func (l *lexer) name() string {
	start := l.pos
	for c := l.peek(); nameStart(c) || digit(c); c = l.peek() {
		l.step()
	}
	return l.text[start:l.pos]
}

func (l *lexer) number(t *tok) {
	start := l.pos
	t.kind = kindInt
	if l.peek() == '-' {
		l.step()
	}
	if l.peek() == '0' {
		l.step()
		if digit(l.peek()) {
			l.fail(l.at, "Invalid number, unexpected digit after 0: %s", charCode(l.peek()))
			return
		}
	} else {
		l.digits()
	}
	if l.peek() == '.' {
		l.step()
		t.kind = kindFloat
		l.digits()
	}
	if c := l.peek(); c == 'e' || c == 'E' {
		l.step()
		t.kind = kindFloat
		if c := l.peek(); c == '+' || c == '-' {
			l.step()
		}
		l.digits()
	}
	t.value = l.text[min(start, l.pos):l.pos]
}

func (l *lexer) digits() {
	if l.err == nil && !digit(l.peek()) {
		l.fail(l.at, "Invalid number, expected digit but got: %s", charCode(l.peek()))
	}
	for digit(l.peek()) {
		l.step()
	}
}

func (l *lexer) quoted(t *tok) {
	if strings.HasPrefix(l.text[l.pos:], `"""`) {
		t.kind, t.value = kindBlock, l.block()
		return
	}
	t.kind, t.value = kindString, l.string()
}

func (l *lexer) string() string {
	l.step()
	var b strings.Builder
	for {
		at := l.at
		switch c := l.peek(); {
		case c == end || c == '\n' || c == '\r':
			l.fail(at, "Unterminated string.")
			return ""
		case c == '"':
			l.step()
			return b.String()
		case c < ' ' && c != '\t':
			l.fail(at, "Invalid character within String: %s", charCode(c))
			return ""
		case c == '\\':
			l.step()
			b.WriteRune(l.escape())
		default:
			b.WriteRune(l.step())
		}
	}
}

var escapes = map[rune]rune{'"': '"', '/': '/', '\\': '\\', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (l *lexer) escape() rune {
	at := l.at
	c := l.peek()
	if c == end {
		return 0
	}
	if c == 'u' {
		l.step()
		return l.unicode(at)
	}
	r, ok := escapes[c]
	if !ok {
		l.fail(at, `Invalid character escape sequence: \%c`, c)
		return 0
	}
	l.step()
	return r
}

func (l *lexer) unicode(at Location) rune {
	r, text := l.hex()
	if r == end {
		l.fail(at, `Invalid character escape sequence: \u%s`, text)
		return 0
	}
	if !utf16.IsSurrogate(r) {
		if r < ' ' && r != '\t' {
			l.fail(at, "Invalid character within String: %s", charCode(r))
		}
		return r
	}
	rest := l.text[l.pos:]
	if strings.HasPrefix(rest, `\u`) {
		l.step()
		l.step()
		if low, _ := l.hex(); utf16.DecodeRune(r, low) != utf8.RuneError {
			return utf16.DecodeRune(r, low)
		}
	}
	l.fail(at, "Invalid UTF-16 trailing surrogate: %s", rest[:min(len(rest), len(`\u0000`), max(strings.IndexByte(rest, '"'), 0))])
	return 0
}

// hex reads four hex digits and returns their number, or end and what stands there.
func (l *lexer) hex() (rune, string) {
	var b strings.Builder
	for range 4 {
		if c := l.peek(); c != end && c != '\n' && c != '\r' {
			b.WriteRune(l.step())
		}
	}
	n, err := strconv.ParseUint(b.String(), 16, 16)
	if err != nil || b.Len() != 4 {
		return end, b.String()
	}
	return rune(n), b.String()
}

// block reads a block string and dedents it (spec §2.9.4).
func (l *lexer) block() string {
	l.steps(3)
	var b strings.Builder
	for {
		rest := l.text[l.pos:]
		switch c := l.peek(); {
		case c == end:
			l.fail(l.at, "Unterminated string.")
			return ""
		case strings.HasPrefix(rest, `"""`):
			l.steps(3)
			return dedent(b.String())
		case strings.HasPrefix(rest, `\"""`):
			l.steps(4)
			b.WriteString(`"""`)
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			l.fail(l.at, "Invalid character within String: %s", charCode(c))
			return ""
		default:
			b.WriteRune(l.step())
		}
	}
}

func (l *lexer) steps(n int) {
	for range n {
		l.step()
	}
}

func dedent(raw string) string {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(raw), "\n")
	common := -1
	for _, line := range lines[1:] {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if indent < len(line) && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i := range lines[1:] {
		lines[i+1] = lines[i+1][min(max(common, 0), len(lines[i+1])):]
	}
	blank := func(s string) bool { return strings.Trim(s, " \t") == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

func unexpectedCharacter(c rune) string {
	switch {
	case c < ' ':
		return "Cannot contain the invalid character " + charCode(c)
	case c == '\'':
		return `Unexpected single quote character ('), did you mean to use a double quote (")?`
	}
	return "Cannot parse the unexpected character " + charCode(c) + "."
}

// charCode prints a character as PHP's JSON does, which escapes the slash.
func charCode(c rune) string {
	switch {
	case c == end:
		return kindEnd
	case c == '/':
		return `"\/"`
	case c < 0x7f:
		text, _ := json.Marshal(string(c)) // a string always encodes
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	}
	return fmt.Sprintf(`"\u%x"`, c)
}
