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
// int64, string, []string, []any or Object; JSON takes any others too.
type Object []Field

// MarshalJSON writes the members in their order.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for _, f := range o {
		if err := errors.Join(encodeBefore(&b, enc, f.Name, ':'), encodeBefore(&b, enc, f.Value, ',')); err != nil {
			return nil, err
		}
	}
	b.Truncate(max(1, b.Len()-1)) // the last comma
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encodeBefore writes v and next in place of the line break that the encoder of b ends with.
func encodeBefore(b *bytes.Buffer, enc *json.Encoder, v any, next byte) error {
	err := enc.Encode(v)
	if err == nil {
		b.Truncate(b.Len() - 1)
		b.WriteByte(next)
	}
	return err
}

// JSON encodes v compactly, without HTML escapes and without a final newline. It panics
// when v's type has no JSON form.
func JSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("httpio: a %T has no JSON form", v))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ASCIIJSON encodes o as Python's json.dumps(o, indent=2) does: one member per line,
// everything outside printable ASCII as \uXXXX, no final newline. It panics on a value
// of a type that Object does not list.
func ASCIIJSON(o Object) []byte {
	return appendASCII(nil, o, "\n")
}

// appendASCII writes v; newline is a line break with the indentation of v's own line.
func appendASCII(b []byte, v any, newline string) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendASCIIString(b, v)
	case Object:
		return appendASCIIBlock(b, '{', '}', len(v), newline, func(b []byte, i int, inner string) []byte {
			b = append(appendASCIIString(b, v[i].Name), ": "...)
			return appendASCII(b, v[i].Value, inner)
		})
	}
	if n, ok := integer(v); ok {
		return strconv.AppendInt(b, n, 10)
	}
	items := list(v)
	return appendASCIIBlock(b, '[', ']', len(items), newline, func(b []byte, i int, inner string) []byte {
		return appendASCII(b, items[i], inner)
	})
}

func appendASCIIBlock(b []byte, left, right byte, n int, newline string, item func([]byte, int, string) []byte) []byte {
	b = append(b, left)
	inner := newline + "  "
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(append(b, inner...), i, inner)
	}
	if n > 0 {
		b = append(b, newline...)
	}
	return append(b, right)
}

// shortEscapes are the two-character escapes that JSON has.
var shortEscapes = map[rune]string{ // :: character → escape
	'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`,
}

func appendASCIIString(b []byte, s string) []byte {
	b = append(b, '"')
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
