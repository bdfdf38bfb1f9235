package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Cost is what one password costs to hash with argon2id (RFC 9106). The zero
// Cost stands for DefaultCost.
type Cost struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8  // lanes
}

// DefaultCost is OWASP's first choice for servers: 19 MiB, two passes, one lane.
var DefaultCost = Cost{Memory: 19456, Time: 2, Threads: 1}

// What a stored hash may ask of us, so that a row cannot use up the machine.
const (
	maxMemory  = 1 << 20 // KiB: 1 GiB
	maxTime    = 10
	maxThreads = 16
	minSalt    = 8 // bytes, as for the next ones
	maxSalt    = 64
	minSum     = 16
	maxSum     = 64
	maxPHC     = 256
)

// phc is a password hash: $argon2id$v=19$m=19456,t=2,p=1$salt$sum.
type phc struct {
	cost      Cost
	salt, sum []byte
}

// String returns the one spelling that parsePHC accepts.
func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.cost.Memory, p.cost.Time, p.cost.Threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.sum))
}

// errPHC says too little on purpose: the text must not reach a log.
var errPHC = errors.New("the stored password hash is not argon2id in PHC form; set the password anew")

// parsePHC reads a hash within the bounds and in its canonical spelling only.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s[:min(len(s), maxPHC+1)], "$")
	if len(parts) != 6 {
		return phc{}, errPHC
	}
	var p phc
	var errs [3]error
	p.cost, errs[0] = parseCost(parts[3])
	p.salt, errs[1] = base64.RawStdEncoding.DecodeString(parts[4])
	p.sum, errs[2] = base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case errors.Join(errs[:]...) != nil,
		len(p.salt) < minSalt, len(p.salt) > maxSalt,
		len(p.sum) < minSum, len(p.sum) > maxSum,
		p.String() != s: // other algorithms and versions, leading zeros, line breaks and unused bits in base64
		return phc{}, errPHC
	}
	return p, nil
}

// parseCost reads "m=19456,t=2,p=1".
func parseCost(s string) (Cost, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return Cost{}, errPHC
	}
	m := bounded(fields[0], "m=", maxMemory)
	t := bounded(fields[1], "t=", maxTime)
	p := bounded(fields[2], "p=", maxThreads)
	if m < 8*p || t == 0 || p == 0 {
		return Cost{}, errPHC
	}
	return Cost{Memory: uint32(m), Time: uint32(t), Threads: uint8(p)}, nil
}

// bounded reads a number from 1 to most behind a prefix, and gives 0 for anything else.
func bounded(s, prefix string, most uint64) uint64 {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n > most {
		return 0
	}
	return n
}
