// A site of Node's own server: node site.mjs CHAIN IDLE_MS; says its port on the first line.
// A session that is idle says GOAWAY and ends, as does one that has answered ten requests.
import { createSecureServer } from "node:http2"
import { readFileSync } from "node:fs"

const [, , chain, idle] = process.argv
const pem = readFileSync(chain)
const page = "<!doctype html><link rel=icon href='data:,'><title>Here</title><p>A page of Node.</p>"
const server = createSecureServer({ key: pem, cert: pem, allowHTTP1: true })
server.keepAliveTimeout = Number(idle)
server.on("session", session => {
  let asked = 0
  session.setTimeout(Number(idle), () => session.close())
  session.on("stream", () => { if (++asked === 10) session.close() })
  session.on("error", () => {})
})
server.on("request", (request, response) => {
  request.resume()
  response.setHeader("content-type", "text/html")
  response.setHeader("cache-control", "no-store")
  if (request.url === "/early") response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" })
  if (request.url === "/trailers") {
    response.setHeader("trailer", "x-sum")
    response.write(page)
    response.addTrailers({ "x-sum": "42" })
    response.end()
  } else if (request.url === "/large") response.end(page.repeat(50_000))
  else response.end(page)
})
server.on("sessionError", () => {})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.on("SIGTERM", () => process.exit(0))
