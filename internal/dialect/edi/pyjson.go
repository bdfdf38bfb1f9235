package edi

import (
	"fmt"
	"strings"
)

// pythonFault words what is wrong with a JSON text as Python 3.11's json.loads does,
// with its line, column and character, or returns "" where Python finds nothing wrong,
// the text is nested deeper than ours may be, or it is longer than any request has reason
// to be. Scripts of the old API match these words.
func pythonFault(text string) string {
	if len(text) > maxWorded {
		return ""
	}
	if strings.HasPrefix(text, "\ufeff") {
		return "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"
	}
	s := &scanner{text: []rune(text)}
	s.space()
	s.value(0)
	if s.space(); s.msg == "" && s.pos < len(s.text) {
		s.fail("Extra data", s.pos)
	}
	if s.msg == "" || s.msg == tooDeep {
		return ""
	}
	line, column := 1, s.at+1
	for i, c := range s.text[:s.at] {
		if c == '\n' {
			line, column = line+1, s.at-i
		}
	}
	return fmt.Sprintf("%s: line %d column %d (char %d)", s.msg, line, column, s.at)
}

const (
	maxDepth  = 64
	maxWorded = 64 << 10 // bytes; finding the words costs a walk over the text
	tooDeep   = "too deep"
)

// scanner walks over a text and stops at the first fault. Its methods return false from
// then on.
type scanner struct {
	text []rune
	pos  int
	msg  string
	at   int
}

func (s *scanner) fail(msg string, at int) bool {
	s.msg, s.at = msg, at
	return false
}

// peek returns the next character, or -1 at the end.
func (s *scanner) peek() rune {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return -1
}

func (s *scanner) space() {
	for strings.ContainsRune(" \t\n\r", s.peek()) && s.pos < len(s.text) {
		s.pos++
	}
}

// accept steps over c and the space after it, when c is next.
func (s *scanner) accept(c rune) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	s.space()
	return true
}

func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		return s.fail(tooDeep, s.pos)
	}
	switch s.peek() {
	case '"':
		return s.str()
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	}
	for _, word := range []string{"null", "true", "false", "NaN", "Infinity", "-Infinity"} {
		if s.has(word) {
			s.pos += len(word)
			return true
		}
	}
	return s.number()
}

func (s *scanner) has(word string) bool {
	if len(s.text)-s.pos < len(word) {
		return false
	}
	for i, c := range word {
		if s.text[s.pos+i] != c {
			return false
		}
	}
	return true
}

func (s *scanner) object(depth int) bool {
	s.accept('{')
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		if s.peek() != '"' {
			return s.fail("Expecting property name enclosed in double quotes", s.pos)
		}
		if !s.str() {
			return false
		}
		s.space()
		if !s.accept(':') {
			return s.fail("Expecting ':' delimiter", s.pos)
		}
		if done, ok := s.item('}', depth); done || !ok {
			return ok
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.accept('[')
	if s.peek() == ']' {
		s.pos++
		return true
	}
	for {
		if done, ok := s.item(']', depth); done || !ok {
			return ok
		}
	}
}

// item reads a value and what follows it: the end, or a comma.
func (s *scanner) item(end rune, depth int) (done, ok bool) {
	if !s.value(depth + 1) {
		return false, false
	}
	s.space()
	if s.peek() == end {
		s.pos++
		return true, true
	}
	if !s.accept(',') {
		return false, s.fail("Expecting ',' delimiter", s.pos)
	}
	return false, true
}

func (s *scanner) str() bool {
	begin := s.pos
	s.pos++
	for {
		switch c := s.peek(); {
		case c == -1:
			return s.fail("Unterminated string starting at", begin)
		case c == '"':
			s.pos++
			return true
		case c == '\\':
			if !s.escape(begin) {
				return false
			}
		case c < ' ':
			return s.fail("Invalid control character at", s.pos)
		default:
			s.pos++
		}
	}
}

func (s *scanner) escape(begin int) bool {
	s.pos++
	switch c := s.peek(); {
	case c == -1:
		return s.fail("Unterminated string starting at", begin)
	case c == 'u':
		return s.unicode()
	case !strings.ContainsRune(`"\/bfnrt`, c):
		return s.fail(`Invalid \escape`, s.pos-1)
	}
	s.pos++
	return true
}

// unicode reads uXXXX. Python wants a character behind it, too.
func (s *scanner) unicode() bool {
	u := s.pos
	if len(s.text)-u <= 5 {
		return s.fail(`Invalid \uXXXX escape`, u)
	}
	for _, c := range s.text[u+1 : u+5] {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return s.fail(`Invalid \uXXXX escape`, u)
		}
	}
	s.pos += 5
	return true
}

// number reads the longest beginning that is one; what follows is Extra data, or a
// missing delimiter.
func (s *scanner) number() bool {
	start := s.pos
	s.skip('-')
	if !s.skip('0') && s.digits() == 0 {
		return s.fail("Expecting value", start)
	}
	whole := s.pos
	if s.skip('.') && s.digits() > 0 {
		whole = s.pos
	}
	s.pos = whole
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		if s.digits() > 0 {
			whole = s.pos
		}
	}
	s.pos = whole
	return true
}

func (s *scanner) skip(c rune) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) digits() int {
	n := 0
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
		n++
	}
	return n
}
