package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	freeFailures  = 10               // in a row, for one name from one source
	failureWindow = 15 * time.Minute // after which a row of failures is forgotten
	slowInterval  = time.Minute      // between tries after that
	noteTimeout   = 5 * time.Second  // for noting the outcome when the client is gone
)

// SignIn returns the number of the active account that name and password belong
// to. An unknown name, a missing or wrong password and an account that is not
// active are one ErrBadCredentials after the same work. After 10 failures in a
// row from one source, each within 15 minutes of the one before, a name may be
// tried once a minute from there: ErrTooMany. ErrBusy says that too many wait.
//
// The source is By.Addr, an IPv6 one by its /64, so a stranger elsewhere keeps
// nobody out. Tries are counted for all servers on one store together; each
// server may let through as many more as it checks at once, cores - 1.
func (d *Directory) SignIn(ctx context.Context, by By, name, password string) (int64, error) {
	if checkName("account", name) != nil {
		name = "" // what cannot be a name is nobody's, and takes the same path
	}
	key := attemptKey(name, by.Addr)
	// Asked twice: here so that tries which would be refused do not fill the
	// line, and again in the slot, where those before us have been counted.
	if _, err := d.admit(ctx, key); err != nil {
		return 0, err
	}
	leave, err := d.hasher.enter(ctx)
	if err != nil {
		return 0, fmt.Errorf("waiting to check password: %w", err)
	}
	defer leave()
	failures, err := d.admit(ctx, key)
	if err != nil {
		return 0, err
	}
	id, ok, err := d.check(ctx, name, password)
	if err != nil {
		return 0, err
	}
	return d.note(ctx, by, key, id, ok, failures)
}

// admit returns the failures noted so far, or ErrTooMany.
func (d *Directory) admit(ctx context.Context, key string) (int, error) {
	now := d.now()
	failures, last, err := d.store.Attempts(ctx, key, now, failureWindow)
	if err != nil {
		return 0, fmt.Errorf("reading failed sign-ins: %w", err)
	}
	// The absolute value: another server's clock may be a little ahead, and a
	// clock that was far ahead must not keep anybody out.
	since := now.Sub(last).Abs()
	if failures >= freeFailures && since < slowInterval {
		wait := slowInterval - since
		return 0, &Error{Kind: TooMany, RetryAfter: wait,
			Text: fmt.Sprintf("too many failed sign-ins; try again in %d seconds", int((wait+time.Second-1)/time.Second))}
	}
	return failures, nil
}

// check does the same for every name and password: one read and one hash. Only a
// stored hash of another cost than new ones takes another time. The caller holds
// a slot.
func (d *Directory) check(ctx context.Context, name, password string) (id int64, ok bool, err error) {
	id, hash, err := d.store.Password(ctx, Key(name))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, false, fmt.Errorf("reading password: %w", err)
	}
	stored := d.hasher.dummy
	if err == nil {
		if stored, err = parsePHC(hash); err != nil {
			return 0, false, fmt.Errorf("checking password of account %d: %w", id, err)
		}
		ok = true
	}
	if password == "" || len(password) > maxPassword {
		password, ok = "", false
	}
	return id, d.hasher.matches(stored, password) && ok, nil
}

// note keeps the outcome, also when the client has hung up: otherwise hanging
// up early would make guessing free.
func (d *Directory) note(ctx context.Context, by By, key string, id int64, ok bool, failures int) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	if !ok {
		if err := d.store.Failed(ctx, by, key, id, d.now(), failureWindow); err != nil {
			return 0, fmt.Errorf("noting failed sign-in: %w", err)
		}
		return 0, ErrBadCredentials
	}
	if failures > 0 {
		if err := d.store.Succeeded(ctx, key); err != nil {
			return 0, fmt.Errorf("noting sign-in: %w", err)
		}
	}
	return id, nil
}

// attemptKey names a pair of account name and source without saying either.
func attemptKey(name, addr string) string {
	sum := sha256.Sum256([]byte(Key(name) + "\x00" + source(addr)))
	return hex.EncodeToString(sum[:])
}

// source is the address, or the /64 of an IPv6 address: whoever has one such
// address has all of its network.
func source(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}
