//go:build e2e

package main

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"symbolon/e2e/load"
)

// idle is how long a connection is kept unused; a server closes it after two minutes.
const idle = 30 * time.Second

// caller is one client with a connection to each server. It belongs to one goroutine.
type caller struct {
	stage *stage
	rng   *rand.Rand
	conns []*load.Conn
	lives []int64 // :: server → its life when the connection was made
	used  []time.Time
}

func newCaller(s *stage, seed int) *caller {
	return &caller{stage: s, rng: rand.New(rand.NewPCG(uint64(s.plan.begin.UnixNano()), uint64(seed))),
		conns: make([]*load.Conn, len(s.nodes)), lives: make([]int64, len(s.nodes)), used: make([]time.Time, len(s.nodes))}
}

// answer is what one server said, or that it was taken down before it did.
type answer struct {
	status int
	body   []byte
	node   int
	lost   bool // sent, and not answered
	failed bool // no answer, and nobody took the server down: a finding that was noted
}

// tryOnce asks one server. sent is false where it was down before the request left.
func (c *caller) tryOnce(node int, request []byte) (a answer, sent bool) {
	n := c.stage.nodes[node]
	a.node = node
	life, ok := n.up()
	if !ok {
		return a, false
	}
	down := func() bool { return n.life.Load() != life }
	if c.conns[node] != nil && (c.lives[node] != life || time.Since(c.used[node]) > idle) {
		c.hangUp(node)
	}
	if c.conns[node] == nil {
		conn, err := load.Dial(n.addr)
		if err != nil {
			if !down() {
				c.stage.report.fail("%s: connecting to a server that serves: %v", c.stage.name, err)
				a.failed = true
			}
			return a, a.failed
		}
		c.conns[node], c.lives[node] = conn, life
	}
	var err error
	c.used[node] = time.Now()
	a.status, a.body, err = c.conns[node].Do(request)
	if err == nil {
		return a, true
	}
	c.hangUp(node)
	a.lost = down()
	a.failed = !a.lost
	if a.failed {
		c.stage.report.fail("%s: %s: no answer: %v", c.stage.name, named(request), err)
	} else {
		c.stage.report.count(c.stage.name + " answers cut off by a restart")
	}
	return a, true
}

func (c *caller) hangUp(node int) {
	_ = c.conns[node].Close()
	c.conns[node] = nil
}

// ask asks any server that serves, until one is sent the request.
func (c *caller) ask(request []byte) answer {
	for {
		node := c.rng.IntN(len(c.stage.nodes))
		if rush := c.stage.rush.Load(); rush > 0 && c.rng.IntN(4) > 0 {
			node = int(rush) - 1
		}
		if a, sent := c.tryOnce(node, request); sent {
			return a
		}
		if c.stage.broken.Load() {
			return answer{failed: true}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// insist asks again where the answer was lost, which changes nothing for what may be asked twice.
func (c *caller) insist(request []byte) answer {
	for {
		if a := c.ask(request); !a.lost {
			return a
		}
	}
}

// insistAt is insist with one server, again once it is back.
func (c *caller) insistAt(node int, request []byte) answer {
	for {
		if a, sent := c.tryOnce(node, request); sent && !a.lost {
			return a
		}
		if c.stage.broken.Load() {
			return answer{failed: true}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// expect notes a finding for every other answer than these, and returns whether it was one of them.
func (c *caller) expect(a answer, request []byte, why string, want ...int) bool {
	c.stage.report.count(c.stage.name + " " + named(request))
	if a.failed || slices.Contains(want, a.status) {
		return !a.failed
	}
	c.stage.report.fail("%s: %s: %s: answered %d by server %d, not %v: %.300s", c.stage.name, named(request), why, a.status, a.node, want, a.body)
	return false
}

// named is a request's method and path, the numbers in it left away: never a token.
func named(request []byte) string {
	line, _, _ := strings.Cut(string(request[:min(len(request), 200)]), " HTTP/1.1\r\n")
	parts := strings.Split(line, "/")
	for i, part := range parts {
		if _, err := strconv.Atoi(part); err == nil {
			parts[i] = "N"
		}
	}
	return strings.Join(parts, "/")
}

// member finds the first text called name, however deep.
func member(body []byte, name string) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return ""
	}
	return search(v, name)
}

func search(v any, name string) string {
	switch v := v.(type) {
	case map[string]any:
		if s, ok := v[name].(string); ok {
			return s
		}
		for _, inner := range v {
			if s := search(inner, name); s != "" {
				return s
			}
		}
	case []any:
		for _, inner := range v {
			if s := search(inner, name); s != "" {
				return s
			}
		}
	}
	return ""
}

// claims are what the tokens of all dialects say alike.
type claims struct {
	Grant      int64 `json:"gid"`
	Generation int64 `json:"gen"`
	Expires    int64 `json:"exp"`
}

func claimsOf(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		_ = json.Unmarshal(b, &c) // all zero for what is none
	}
	return c
}
