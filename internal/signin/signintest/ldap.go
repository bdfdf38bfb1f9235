// Package signintest has stand-ins for those who vouch for people, for tests.
package signintest

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Entry is one person of a directory. The zero Password lets nobody in.
type Entry struct {
	DN         string
	Password   string
	Attributes map[string][]string
}

// Directory is a tiny LDAP server on loopback, as careless as real ones may be: a bind
// without a password succeeds. Its exported fields are set before the first request.
type Directory struct {
	URL     string
	Entries []Entry
	// Answer, if not nil, may answer a request with a result code in its own way; false
	// leaves it to the directory. op is goldap.ApplicationBindRequest and so on.
	Answer func(op ber.Tag) (code uint16, ok bool)
	// Raw, if not nil, is sent in answer to anything.
	Raw []byte
	// Mute answers nothing.
	Mute bool

	mu       sync.Mutex
	binds    []string
	searches []string
	open     map[net.Conn]string // :: connection → DN it is bound as
	end      chan struct{}
}

// NewDirectory starts a directory that ends with the test.
func NewDirectory(t testing.TB, entries ...Entry) *Directory {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &Directory{URL: "ldap://" + ln.Addr().String(), Entries: entries, open: map[net.Conn]string{}, end: make(chan struct{})}
	t.Cleanup(func() {
		close(d.end)
		ln.Close()
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go d.serve(c)
		}
	}()
	return d
}

// Binds returns the DNs that were bound as, in order, whatever the outcome.
func (d *Directory) Binds() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.binds)
}

// Searches returns, for each search, the DN as which it was made; "" for nobody.
func (d *Directory) Searches() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.searches)
}

// Open returns how many connections there are.
func (d *Directory) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// Drop ends all connections, as a server does that is started anew.
func (d *Directory) Drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		c.Close()
	}
}

func (d *Directory) serve(c net.Conn) {
	d.mu.Lock()
	d.open[c] = ""
	d.mu.Unlock()
	defer func() {
		c.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.open, c)
	}()
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 {
			return
		}
		switch {
		case d.Mute:
			<-d.end
			return
		case d.Raw != nil:
			if _, err := c.Write(d.Raw); err != nil {
				return
			}
		default:
			for _, answer := range d.answers(c, p.Children[1]) {
				if _, err := c.Write(message(p.Children[0].Value.(int64), answer)); err != nil {
					return
				}
			}
		}
	}
}

func message(id int64, op *ber.Packet) []byte {
	m := ber.NewSequence("LDAP message")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "id"))
	m.AppendChild(op)
	return m.Bytes()
}

func (d *Directory) answers(c net.Conn, op *ber.Packet) []*ber.Packet {
	if d.Answer != nil {
		if code, ok := d.Answer(op.Tag); ok {
			return []*ber.Packet{result(answerTo(op.Tag), code)}
		}
	}
	switch op.Tag {
	case goldap.ApplicationBindRequest:
		return []*ber.Packet{result(goldap.ApplicationBindResponse, d.bind(c, text(op.Children[1]), op.Children[2].Data.String()))}
	case goldap.ApplicationSearchRequest:
		d.mu.Lock()
		d.searches = append(d.searches, d.open[c])
		d.mu.Unlock()
		return d.search(op)
	}
	return []*ber.Packet{result(answerTo(op.Tag), goldap.LDAPResultProtocolError)}
}

// answerTo is the tag of the message that ends a request.
func answerTo(op ber.Tag) ber.Tag {
	if op == goldap.ApplicationSearchRequest {
		return goldap.ApplicationSearchResultDone
	}
	return op + 1
}

func (d *Directory) bind(c net.Conn, dn, password string) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.binds = append(d.binds, dn)
	d.open[c] = "" // whatever the outcome (RFC 4513 §4)
	if password == "" {
		return goldap.LDAPResultSuccess
	}
	for _, e := range d.Entries {
		if e.Password == password && sameDN(e.DN, dn) {
			d.open[c] = dn
			return goldap.LDAPResultSuccess
		}
	}
	return goldap.LDAPResultInvalidCredentials
}

// search finds the entries at or below the base whose uid the filter names.
func (d *Directory) search(op *ber.Packet) []*ber.Packet {
	filter, err := goldap.DecompileFilter(op.Children[6])
	if err != nil {
		return []*ber.Packet{result(goldap.ApplicationSearchResultDone, goldap.LDAPResultFilterError)}
	}
	base, whole, limit := text(op.Children[0]), op.Children[1].Value.(int64) == goldap.ScopeWholeSubtree, int(op.Children[3].Value.(int64))
	var found []*ber.Packet
	code := uint16(goldap.LDAPResultSuccess)
	for _, e := range d.Entries {
		in := sameDN(e.DN, base) || whole && strings.HasSuffix(strings.ToLower(e.DN), ","+strings.ToLower(base))
		if !in || !matches(e, filter) {
			continue
		}
		if len(found) == limit {
			code = goldap.LDAPResultSizeLimitExceeded
			break
		}
		found = append(found, entry(e))
	}
	return append(found, result(goldap.ApplicationSearchResultDone, code))
}

func matches(e Entry, filter string) bool {
	return slices.ContainsFunc(e.Attributes["uid"], func(uid string) bool {
		return strings.Contains(strings.ToLower(filter), "(uid="+strings.ToLower(goldap.EscapeFilter(uid))+")")
	})
}

func sameDN(a, b string) bool {
	x, err1 := goldap.ParseDN(a)
	y, err2 := goldap.ParseDN(b)
	return err1 == nil && err2 == nil && x.EqualFold(y)
}

func entry(e Entry) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "entry")
	p.AppendChild(octets(e.DN))
	attributes := ber.NewSequence("attributes")
	for name, values := range e.Attributes {
		a := ber.NewSequence("attribute")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "values")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		attributes.AppendChild(a)
	}
	p.AppendChild(attributes)
	return p
}

func result(op ber.Tag, code uint16) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, op, nil, "result")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), "code"))
	p.AppendChild(octets(""))
	p.AppendChild(octets(""))
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func text(p *ber.Packet) string { return p.Data.String() }
