package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// streaming makes a fake whose event stream begins with its position, and beats every ten seconds.
func streaming(t *testing.T) *fake {
	f := newFake(t)
	f.stream = func(r *http.Request, w *io.PipeWriter) {
		for {
			f.mu.Lock()
			beat := fmt.Sprintf("event: heartbeat\nid: %s\n\n", f.feed)
			f.mu.Unlock()
			if _, err := io.WriteString(w, beat); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(10 * time.Second):
			}
		}
	}
	return f
}

// ended tells of one grant's end, as the stream does.
func (f *fake) sendEnded(grant int64) {
	f.do(func() { f.feed.seq++ })
	f.send("event: grant", "id: "+f.feed.String(), fmt.Sprintf(`data: {"grant":%d,"service":"samples","status_list":{"idx":3,"uri":%q}}`, grant, listAt))
}

func listening(c *VerifierConfig) { c.EventsCredential = "credential" }

// A revocation on the stream counts at once, for a token in the cache and before any list has it.
func TestRevokedByEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, listening)
		token, other := f.access(nil), f.access(claims{"gid": 8})
		want(t, v, token, nil)
		time.Sleep(time.Second)
		f.sendEnded(7)
		synctest.Wait()
		want(t, v, token, ErrRevoked)
		want(t, v, other, nil)
		f.do(func() { f.ended[70] = true })
		time.Sleep(58 * time.Minute) // kept at least until every list has it
		want(t, v, token, ErrRevoked)
		for _, r := range f.all() {
			if r.URL.Path == "/symbolon/events" && r.Header.Get("Authorization") != "Bearer credential" {
				t.Errorf("asked for events with %q", r.Header.Get("Authorization"))
			}
			if r.URL.Path != "/symbolon/events" && r.Header.Get("Authorization") != "" {
				t.Errorf("the credential went to %s", r.URL)
			}
		}
	})
}

// Whatever is not the next grant has the lists fetched at once: here place 70 has ended, and only the list says so.
func TestStreamLooksAnew(t *testing.T) {
	for name, lines := range map[string][]string{
		"a skipped number":         {"event: grant", "id: 1:103", `data: {"grant":99}`},
		"a number again":           {"event: grant", "id: 1:100", `data: {"grant":99}`},
		"another epoch":            {"event: grant", "id: 2:101", `data: {"grant":99}`},
		"a heartbeat further on":   {"event: heartbeat", "id: 1:103"},
		"a heartbeat further back": {"event: heartbeat", "id: 1:99"},
		"reset":                    {"event: reset", "id: 2:1"},
		"not_before":               {"event: not_before", "id: 1:101", `data: {"service":"samples"}`},
		"something new":            {"event: comet", "id: 1:101", "data: ?"},
		"other, with a hole":       {"event: other", "id: 1:102", "data: {}"},
		"stale":                    {"event: stale", "id: 1:100", "data: {}"},
		"no name":                  {"id: 1:101", `data: {"grant":99}`},
		"grant without number":     {"event: grant", "id: 1:101", "data: {}"},
		"grant twice":              {"event: grant", "id: 1:101", `data: {"grant":99,"grant":100}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := streaming(t)
				v := newVerifier(t, f, listening)
				token := f.access(nil)
				want(t, v, token, nil)
				time.Sleep(time.Second)
				n := f.count(listAt)
				time.Sleep(time.Second)
				if f.count(listAt) != n {
					t.Error("the list was fetched for nothing")
				}
				f.do(func() { f.ended[70] = true })
				f.send(lines...)
				synctest.Wait()
				want(t, v, token, ErrRevoked)
			})
		})
	}
}

// A list that is still behind what the stream told is fetched again, until it is not.
func TestListBehindTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, listening)
		token := f.access(nil)
		want(t, v, token, nil)
		time.Sleep(time.Second)
		f.send("event: not_before", "id: 1:101", "data: {}")
		time.Sleep(3 * time.Second)
		want(t, v, token, nil)
		f.do(func() { f.feed, f.before["samples"] = position{1, 101}, time.Now().Unix() })
		time.Sleep(1100 * time.Millisecond)
		want(t, v, token, ErrRevoked)
		n := f.count(listAt)
		time.Sleep(10 * time.Second)
		if f.count(listAt)-n > 1 {
			t.Errorf("%d fetches of a list that was complete", f.count(listAt)-n)
		}
	})
}

// A stream that breaks, is silent or talks nonsense is opened anew, from where it was; meanwhile the lists go on.
func TestStreamBreaks(t *testing.T) {
	for name, tc := range map[string]struct {
		do     func(*fake)
		within time.Duration
	}{
		"closed":     {func(f *fake) { _ = f.open()[0].Close() }, 15 * time.Second},
		"nonsense":   {func(f *fake) { f.send("event: grant", "id: x") }, 15 * time.Second},
		"endless":    {func(f *fake) { f.send("data: " + strings.Repeat("a", 2*maxEventLine)) }, 15 * time.Second},
		"many lines": {func(f *fake) { f.send(strings.Repeat("data: "+strings.Repeat("a", 1000)+"\n", 100)) }, 15 * time.Second},
		"without end": {func(f *fake) {
			f.do(func() { f.stream = nil; f.alter[base+"/symbolon/events"] = nil })
			_ = f.open()[0].Close()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := streaming(t)
				v := newVerifier(t, f, listening)
				token := f.access(nil)
				want(t, v, token, nil)
				time.Sleep(time.Second)
				f.sendEnded(5)
				synctest.Wait()
				tc.do(f)
				time.Sleep(tc.within)
				if tc.within > 0 {
					if len(f.open()) < 2 || f.lastEventID() != "1:101" {
						t.Errorf("%d streams, the last after %q", len(f.open()), f.lastEventID())
					}
					f.sendEnded(7)
					synctest.Wait()
					want(t, v, token, ErrRevoked)
				}
				f.revoke(70)
				time.Sleep(20 * time.Second)
				want(t, v, token, ErrRevoked)
			})
		})
	}
}

// lastEventID is the one that the newest stream was asked for with.
func (f *fake) lastEventID() (id string) {
	for _, r := range f.all() {
		if r.URL.Path == "/symbolon/events" {
			id = r.Header.Get("Last-Event-ID")
		}
	}
	return id
}

func TestSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.stream = func(*http.Request, *io.PipeWriter) {}
		v := newVerifier(t, f, listening)
		want(t, v, f.access(nil), nil)
		time.Sleep(10 * time.Minute)
		if n := len(f.open()); n < 10 || n > 14 {
			t.Errorf("%d streams in ten minutes of silence", n)
		}
		want(t, v, f.access(nil), nil)
	})
}

func TestParsePosition(t *testing.T) {
	if p, ok := parsePosition("3:14"); !ok || p != (position{3, 14}) || p.String() != "3:14" {
		t.Errorf("%v, %v", p, ok)
	}
	for _, text := range []string{"", ":", "1", "1:", ":1", "-1:1", "1:-1", "1:1:1", "1:x", "99999999999999999999:1"} {
		if p, ok := parsePosition(text); ok {
			t.Errorf("%q is %v", text, p)
		}
	}
}

// An event of no concern costs nothing.
func TestOtherEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, listening)
		want(t, v, f.access(nil), nil)
		time.Sleep(2 * time.Second)
		lists, keys := f.count(listAt), f.count(jwksAt)
		f.do(func() { f.feed.seq++ })
		f.send("event: other", "id: 1:101", "data: {}")
		time.Sleep(2 * time.Second)
		if f.count(listAt) != lists || f.count(jwksAt) != keys {
			t.Error("something was fetched for nothing")
		}
	})
}

// A key that is taken away in an emergency is gone at once.
func TestKeyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, listening)
		token := f.access(nil)
		want(t, v, token, nil)
		time.Sleep(5 * time.Second)
		next := newSigner(t, "two")
		f.do(func() { f.keys, f.lister, f.feed.seq = []signer{next}, next, f.feed.seq+1 })
		f.send("event: keys", "id: 1:101", `data: {"service":"samples"}`)
		synctest.Wait()
		want(t, v, token, ErrSignature)
		want(t, v, f.access(nil), nil)
	})
}

// The stream is all that tells of an edi-token that names no list.
func TestPlainClaimsByEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, func(c *VerifierConfig) { listening(c); c.Dialect, c.UnsafeWithoutStatus = EDI, true })
		payload := payloadOf(t, f.access(claims{"sub": "EDI-1", "iss": ediIssuer, "aud": nil, "status": nil, "gid": nil}))
		token := f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"s1.7.0"}`, payload)
		other := f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"s1.x.0"}`, payload)
		want(t, v, token, nil)
		time.Sleep(time.Second)
		f.sendEnded(7)
		synctest.Wait()
		want(t, v, token, ErrRevoked)
		want(t, v, other, nil)
	})
}
