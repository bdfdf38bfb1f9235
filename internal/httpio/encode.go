package httpio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Field is one named member of an Object.
type Field struct {
	Name  string
	Value any
}

// Object is a JSON object whose members keep their order. Values are nil, bool, int,
// int64, string, []string, []any or Object; JSON takes any others too, and does not
// check that a json.RawMessage is one.
type Object []Field

// MarshalJSON writes the members in their order.
func (o Object) MarshalJSON() ([]byte, error) { return appendObject(nil, o) }

// appendJSON writes v compactly and without HTML escapes. Only what has no case here
// costs encoding/json, which writes the same.
func appendJSON(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case string:
		return appendString(b, v)
	case []string:
		return appendList(b, v, appendString)
	case Object:
		return appendObject(b, v)
	case []Object:
		return appendList(b, v, appendObject)
	case json.RawMessage:
		if len(v) > 0 && !bytes.ContainsAny(v, " \t\r\n") {
			return append(b, v...), nil
		}
	}
	return appendOther(b, v)
}

func appendString(b []byte, s string) ([]byte, error) {
	if !plainJSON(s) {
		return appendOther(b, s)
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

func appendObject(b []byte, o Object) ([]byte, error) {
	b = append(b, '{')
	for i, f := range o {
		if i > 0 {
			b = append(b, ',')
		}
		var errName, errValue error
		b, errName = appendString(b, f.Name)
		b, errValue = appendJSON(append(b, ':'), f.Value)
		if err := errors.Join(errName, errValue); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList[T any](b []byte, list []T, item func([]byte, T) ([]byte, error)) ([]byte, error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = item(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendOther(b []byte, v any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return b, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// escaped are the bytes that need an escape in JSON or in Python's: a table, since every
// byte of every token is looked at.
var escaped = func() (table [256]bool) {
	for i := range table {
		c := byte(i)
		table[i] = c < ' ' || c > '~' || c == '"' || c == '\\'
	}
	return table
}()

// plainJSON reports whether nothing in s needs an escape, in JSON as in Python's.
func plainJSON(s string) bool {
	for i := range len(s) {
		if escaped[s[i]] {
			return false
		}
	}
	return true
}

// JSON encodes v compactly, without HTML escapes and without a final newline. It panics
// when v's type has no JSON form.
func JSON(v any) []byte {
	o, _ := v.(Object)
	b, err := appendJSON(make([]byte, 0, room(o)), v)
	if err != nil {
		panic(fmt.Sprintf("httpio: a %T has no JSON form", v))
	}
	return b
}

// room is about how long the text of o will be, where its strings are most of it.
func room(o Object) int {
	n := 64
	for _, f := range o {
		s, _ := f.Value.(string)
		n += len(f.Name) + len(s) + 16
	}
	return n
}

// ASCIIJSON encodes o as Python's json.dumps(o, indent=2) does: one member per line,
// everything outside printable ASCII as \uXXXX, no final newline. It panics on a value
// of a type that Object does not list.
func ASCIIJSON(o Object) []byte {
	return appendASCII(make([]byte, 0, room(o)), o, 0)
}

// appendASCII writes v, whose own line is depth levels deep.
func appendASCII(b []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendASCIIString(b, v)
	case Object:
		return appendASCIIBlock(b, '{', '}', len(v), depth, func(b []byte, i int) []byte {
			b = append(appendASCIIString(b, v[i].Name), ": "...)
			return appendASCII(b, v[i].Value, depth+1)
		})
	}
	if n, ok := integer(v); ok {
		return strconv.AppendInt(b, n, 10)
	}
	items := list(v)
	return appendASCIIBlock(b, '[', ']', len(items), depth, func(b []byte, i int) []byte {
		return appendASCII(b, items[i], depth+1)
	})
}

func appendASCIIBlock(b []byte, left, right byte, n, depth int, item func([]byte, int) []byte) []byte {
	b = append(b, left)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(appendLine(b, depth+1), i)
	}
	if n > 0 {
		b = appendLine(b, depth)
	}
	return append(b, right)
}

func appendLine(b []byte, depth int) []byte {
	b = append(b, '\n')
	for range depth {
		b = append(b, "  "...)
	}
	return b
}

// shortEscapes are the two-character escapes that JSON has.
var shortEscapes = map[rune]string{ // :: character → escape
	'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`,
}

func appendASCIIString(b []byte, s string) []byte {
	b = append(b, '"')
	if plainJSON(s) {
		return append(append(b, s...), '"')
	}
	for _, c := range s {
		switch short := shortEscapes[c]; {
		case short != "":
			b = append(b, short...)
		case c >= ' ' && c <= '~':
			b = append(b, byte(c))
		default:
			b = appendEscape(b, c)
		}
	}
	return append(b, '"')
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// list panics on anything but a list: what is not one was never meant for a wire.
func list(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []string:
		items := make([]any, len(v))
		for i, s := range v {
			items[i] = s
		}
		return items
	}
	panic(fmt.Sprintf("httpio: a %T is no value of an Object", v))
}

// XMLResult encodes o as a <result> document with one element per member. Names are
// used as tags unchecked. Values are written as Python's str() writes them;
// characters that XML 1.0 §2.2 does not allow are dropped.
func XMLResult(o Object) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n")
	for _, f := range o {
		text := XMLText(pythonText(f.Value))
		if text == "" {
			b.WriteString("  <" + f.Name + "/>\n")
			continue
		}
		b.WriteString("  <" + f.Name + ">" + text + "</" + f.Name + ">\n")
	}
	b.WriteString("</result>\n")
	return []byte(b.String())
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// XMLText escapes s for use between tags or inside double quotes and drops the
// characters that XML 1.0 §2.2 does not allow.
func XMLText(s string) string {
	return xmlEscapes.Replace(strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xfffe || c == 0xffff {
			return -1
		}
		return c
	}, s))
}
