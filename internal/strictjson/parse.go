package strictjson

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse reads data as exactly one JSON value: nil, bool, string, json.Number, []any or *Object. Numbers are checked
// for grammar, not for range. Failures are *Error.
func Parse(data []byte, lim Limits) (any, error) {
	lim = lim.orDefault()
	if len(data) > lim.Bytes {
		return nil, &Error{Kind: ErrTooLarge, Offset: lim.Bytes, Detail: fmt.Sprintf("more than %d bytes", lim.Bytes)}
	}
	p := &parser{data: data, text: string(data), lim: lim}
	p.space()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.text) {
		return nil, p.syntax("data after the value")
	}
	return v, nil
}

// ParseObject is Parse for a text that must be an object; anything else that is valid JSON gives ErrNotObject.
func ParseObject(data []byte, lim Limits) (*Object, error) {
	v, err := Parse(data, lim)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, &Error{Kind: ErrNotObject}
	}
	return o, nil
}

// parser holds the text twice: names and strings are cut from text without copying, raw values from data.
type parser struct {
	data  []byte
	text  string
	lim   Limits
	pos   int
	depth int
	count int
}

func (p *parser) syntax(detail string) error {
	if p.pos >= len(p.text) {
		detail = "unexpected end"
	}
	return &Error{Kind: ErrSyntax, Offset: p.pos, Detail: detail}
}

// peek returns the next byte, or 0 at the end; a NUL in the text is legal nowhere, so the two need no telling apart.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// accept steps over b and the space after it, when b is next.
func (p *parser) accept(b byte) bool {
	if p.peek() != b {
		return false
	}
	p.pos++
	p.space()
	return true
}

func (p *parser) value() (any, error) {
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.str()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	case c == '-' || isDigit(c):
		return p.number()
	}
	return nil, p.syntax("expected a value")
}

func (p *parser) word(w string) error {
	if !strings.HasPrefix(p.text[p.pos:], w) {
		return p.syntax("expected " + w)
	}
	p.pos += len(w)
	return nil
}

// enter opens an object or array; leave is its other half.
func (p *parser) enter() error {
	if p.depth++; p.depth > p.lim.Depth {
		return &Error{Kind: ErrTooDeep, Offset: p.pos, Detail: fmt.Sprintf("more than %d levels", p.lim.Depth)}
	}
	p.pos++
	p.space()
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) counted() error {
	if p.count++; p.count > p.lim.Members {
		return &Error{Kind: ErrTooLarge, Offset: p.pos, Detail: fmt.Sprintf("more than %d values", p.lim.Members)}
	}
	return nil
}

// closed reads what follows a member or element: true for the closing byte, false for a comma.
func (p *parser) closed(end byte) (bool, error) {
	p.space()
	switch p.peek() {
	case end:
		p.pos++
		return true, nil
	case ',':
		p.pos++
		p.space()
		return false, nil
	}
	return false, p.syntax("expected a comma or the end")
}

func (p *parser) array() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	list := []any{}
	if p.peek() == ']' {
		p.pos++
		return list, nil
	}
	for {
		if err := p.counted(); err != nil {
			return nil, err
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if done, err := p.closed(']'); done || err != nil {
			return list, err
		}
	}
}

// fewMembers is what an object begins with: as many as a header has, half of what most claims are.
const fewMembers = 4

func (p *parser) object() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	o := &Object{}
	if p.peek() == '}' {
		p.pos++
		return o, nil
	}
	o.Members = make([]Member, 0, fewMembers)
	var seen names
	for {
		m, err := p.member()
		if err != nil {
			return nil, err
		}
		if !seen.add(o.Members, m.Name) {
			return nil, &Error{Kind: ErrDuplicate, Offset: m.Offset}
		}
		o.Members = append(o.Members, m)
		if done, err := p.closed('}'); done || err != nil {
			return o, err
		}
	}
}

// names finds duplicates: by looking through a short list, by a map once the list is long, so that neither an
// ordinary header pays for a map nor a hostile body for a square.
type names struct{ index map[string]bool }

const shortList = 12

func (n *names) add(before []Member, name string) bool {
	if len(before) < shortList {
		for i := range before {
			if before[i].Name == name {
				return false
			}
		}
		return true
	}
	if n.index == nil {
		n.index = make(map[string]bool, 4*shortList)
		for i := range before {
			n.index[before[i].Name] = true
		}
	}
	if n.index[name] {
		return false
	}
	n.index[name] = true
	return true
}

func (p *parser) member() (Member, error) {
	m := Member{Offset: p.pos}
	if err := p.counted(); err != nil {
		return m, err
	}
	if p.peek() != '"' {
		return m, p.syntax("expected a member name")
	}
	name, err := p.str()
	if err != nil {
		return m, err
	}
	m.Name = name
	p.space()
	if !p.accept(':') {
		return m, p.syntax("expected a colon")
	}
	start := p.pos
	if m.Value, err = p.value(); err != nil {
		return m, err
	}
	m.Raw = p.data[start:p.pos:p.pos]
	return m, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) digits() bool {
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	return p.pos > start
}

// number reads the grammar of RFC 8259 §6 and keeps the text as written.
func (p *parser) number() (any, error) {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits() {
		return nil, p.syntax("expected a digit")
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits() {
			return nil, p.syntax("expected a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return nil, p.syntax("expected a digit")
		}
	}
	return json.Number(p.text[start:p.pos]), nil
}

// str reads a string. Without escapes, which is nearly always, it is a piece of the text.
func (p *parser) str() (string, error) {
	p.pos++
	start := p.pos
	if err := p.plain(); err != nil {
		return "", err
	}
	if p.peek() == '"' {
		p.pos++
		return p.text[start : p.pos-1], nil
	}
	var b strings.Builder
	b.WriteString(p.text[start:p.pos])
	for p.peek() == '\\' {
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		start = p.pos
		if err := p.plain(); err != nil {
			return "", err
		}
		b.WriteString(p.text[start:p.pos])
	}
	p.pos++
	return b.String(), nil
}

// plain steps over characters that stand for themselves, up to a quote or a backslash.
func (p *parser) plain() error {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"' || c == '\\':
			return nil
		case c < 0x20:
			return p.syntax("control character in a string")
		case c < utf8.RuneSelf:
			p.pos++
		default:
			r, n := utf8.DecodeRuneInString(p.text[p.pos:])
			if r == utf8.RuneError && n == 1 {
				return p.syntax("invalid UTF-8")
			}
			p.pos += n
		}
	}
	return p.syntax("")
}

var simpleEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func (p *parser) escape() (rune, error) {
	p.pos++
	c := p.peek()
	if r, ok := simpleEscapes[c]; ok {
		p.pos++
		return r, nil
	}
	if c != 'u' {
		return 0, p.syntax("unknown escape")
	}
	at := p.pos - 1
	high, ok := p.hex4()
	if ok && !utf16.IsSurrogate(high) {
		return high, nil
	}
	if ok && p.peek() == '\\' {
		p.pos++
		if low, lowOK := p.hex4(); lowOK {
			if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
				return r, nil
			}
		}
	}
	p.pos = at
	return 0, p.syntax("escape is no character")
}

// hex4 reads `uXXXX`, standing on the u.
func (p *parser) hex4() (rune, bool) {
	if len(p.text)-p.pos < 5 || p.text[p.pos] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.text[p.pos+1 : p.pos+5]) {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | digit
	}
	p.pos += 5
	return r, true
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case isDigit(c):
		return rune(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}
