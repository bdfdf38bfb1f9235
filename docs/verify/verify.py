"""Checks access tokens of one SESAR service without asking the server about each.

    python3 verify.py https://tokens.example.org samples < tokens.txt

One token a line; prints "good USER", "expired", "revoked", "wrong service", "bad token", or "unavailable", which
means: let nobody in now, try again. Needs Debian's python3-jwt and python3-cryptography."""
import base64, json, sys, time, urllib.request, zlib, jwt

SERVER, SERVICE = sys.argv[1].rstrip("/"), sys.argv[2]
LISTS, kept = SERVER + "/symbolon/status/", {}  # kept: address -> (believed until, content)

class Unavailable(Exception): pass

def cached(address, read):
    until, content = kept.get(address, (0, None))
    if time.monotonic() >= until:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                life, content = read(answer.read(1 << 20), address)
        except (OSError, ValueError, KeyError, TypeError, zlib.error, jwt.PyJWTError) as e:
            raise Unavailable(address) from e
        kept[address] = (time.monotonic() + life, content)
    return content

def read_keys(text, _):  # believed for five minutes
    return 300, {k["kid"]: jwt.PyJWK(k).key for k in json.loads(text)["keys"]}

def signed(token, typ, required, **expected):  # the claims, once a key of the service has been found to have signed
    header = jwt.get_unverified_header(token)
    key = cached(f"{SERVER}/symbolon/keys/{SERVICE}/jwks.json", read_keys).get(header.get("kid"))
    if key is None or header.get("typ") != typ or "crit" in header:
        raise jwt.InvalidTokenError("no key of this service signed it")
    return jwt.decode(token, key, algorithms=["ES256"], options={"require": required}, **expected)

def read_list(text, address):  # believed for its ttl, and not past its exp
    c = signed(text.decode(), "statuslist+jwt", ["sub", "iat", "exp"])
    packed = c["status_list"]["lst"]
    if c["sub"] != address or c["status_list"]["bits"] != 1:
        raise ValueError("another list")
    bits = zlib.decompressobj().decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), 1 << 17)
    return min(c["ttl"], c["exp"] - time.time()), (bits, c.get("not_before", {}))

def check(token):
    c = signed(token, "JWT", ["exp", "iat", "aud", "iss"], audience=SERVICE, issuer=SERVER)
    idx, uri = c["status"]["status_list"]["idx"], c["status"]["status_list"]["uri"]
    if c["token_type"] != "access" or not uri.startswith(LISTS) or idx < 0:
        raise jwt.InvalidTokenError("not an access token of this server")
    bits, before = cached(uri, read_list)
    ended = bits[idx // 8] >> idx % 8 & 1 or c["iat"] < max(before.get("", 0), before.get(SERVICE, 0))
    return "revoked" if ended else f"good {c['user_id']}"

for line in sys.stdin:
    try:
        print(check(line.strip()), flush=True)
    except (Unavailable, jwt.ExpiredSignatureError) as e:
        print("unavailable" if isinstance(e, Unavailable) else "expired", flush=True)
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
        print("wrong service", flush=True)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, IndexError):
        print("bad token", flush=True)
