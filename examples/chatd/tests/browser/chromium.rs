//! Chromium without a window, told what to do over its debugging protocol.

use crate::daemon::PATIENCE;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, ErrorKind},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};
use tungstenite::{Error, Message, WebSocket, client};

pub(crate) struct Chromium {
    child: Child,
    socket: WebSocket<TcpStream>,
    calls: u64,
    /// What it told while an answer was waited for.
    told: VecDeque<Value>,
}

/// A page that is open: the name of its session of the protocol.
#[derive(Clone)]
pub(crate) struct Tab(String);

impl Chromium {
    /// With an empty profile of this name: one is used by one Chromium.
    pub(crate) fn start(profile: &str) -> Self {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(profile);
        drop(fs::remove_dir_all(&profile));
        // Without its sandbox: inside of a container there is none to be had, and the page is our own.
        let child = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--no-proxy-server",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("CANNOT RUN browser: chromium cannot be started");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = said.find_map(|line| {
            Some(
                line.ok()?
                    .strip_prefix("DevTools listening on ")?
                    .to_owned(),
            )
        });
        let address = address.expect("CANNOT RUN browser: chromium ended at its start");
        // Read on: it must not wait for us.
        std::thread::spawn(move || said.for_each(drop));
        let host = address
            .trim_start_matches("ws://")
            .split('/')
            .next()
            .expect("a host");
        let stream = TcpStream::connect(host).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let (socket, _) = client(&address, stream).expect("it speaks");
        Self {
            child,
            socket,
            calls: 0,
            told: VecDeque::new(),
        }
    }

    /// A new tab at this address, of this size, when it is loaded.
    pub(crate) fn open(&mut self, address: &str, width: u32, height: u32) -> Tab {
        let tab = self.blank();
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call(&tab, "Emulation.setDeviceMetricsOverride", &size);
        self.go(&tab, address);
        tab
    }

    fn blank(&mut self) -> Tab {
        let browser = Tab(String::new());
        let target = self.call(
            &browser,
            "Target.createTarget",
            &json!({ "url": "about:blank" }),
        );
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(&browser, "Target.attachToTarget", &attach);
        let tab = Tab(session["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&tab, &format!("{domain}.enable"), &json!({}));
        }
        tab
    }

    pub(crate) fn go(&mut self, tab: &Tab, address: &str) {
        self.call(tab, "Page.navigate", &json!({ "url": address }));
        self.event(tab, "Page.loadEventFired");
    }

    /// Waits in the page until this is true: looked at now, and after each change of the page.
    pub(crate) fn until(&mut self, tab: &Tab, expression: &str) {
        let wait = format!(
            "new Promise(done => {{
                const look = () => {{ if ({expression}) {{ watch.disconnect(); done(true); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                look();
            }})"
        );
        assert_eq!(self.tell(tab, &wait), true, "{expression}");
    }

    /// The value of an expression, or of the promise that it is.
    pub(crate) fn tell(&mut self, tab: &Tab, expression: &str) -> Value {
        let call = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let told = self.call(tab, "Runtime.evaluate", &call);
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// Clicks on an element once it can be clicked on: in one step of the page, for a card moves when another one grows.
    pub(crate) fn click(&mut self, tab: &Tab, selector: &str) {
        let there = format!("document.querySelector(`{selector}`)");
        self.until(tab, &format!("{there}?.disabled === false"));
        let click = format!(
            "(element => {{
                element.scrollIntoView({{ block: 'nearest' }});
                const box = element.getBoundingClientRect();
                const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                element.focus();
                element.click();
                return seen === element;
            }})({there})"
        );
        assert_eq!(self.tell(tab, &click), true, "{selector} is covered");
    }

    /// Types into a field that is clicked on first.
    pub(crate) fn write(&mut self, tab: &Tab, selector: &str, text: &str) {
        self.click(tab, selector);
        self.call(tab, "Input.insertText", &json!({ "text": text }));
    }

    pub(crate) fn enter(&mut self, tab: &Tab) {
        let key = json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
        self.call(tab, "Input.dispatchKeyEvent", &key);
        self.call(
            tab,
            "Input.dispatchKeyEvent",
            &json!({ "type": "keyUp", "key": "Enter", "code": "Enter" }),
        );
    }

    /// `light` or `dark`.
    pub(crate) fn dress(&mut self, tab: &Tab, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call(tab, "Emulation.setEmulatedMedia", &features);
    }

    /// Into target/screenshots.
    pub(crate) fn picture(&mut self, tab: &Tab, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        let picture = self.call(tab, "Page.captureScreenshot", &json!({ "format": "png" }));
        let picture = picture["data"].as_str().expect("a picture");
        let picture = BASE64.decode(picture.as_bytes()).expect("a picture");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), picture).expect("the picture is kept");
    }

    /// Answers the question that the page asks.
    pub(crate) fn answer(&mut self, tab: &Tab, text: &str) {
        self.event(tab, "Page.javascriptDialogOpening");
        self.call(
            tab,
            "Page.handleJavaScriptDialog",
            &json!({ "accept": true, "promptText": text }),
        );
    }

    /// What went wrong in the pages so far: exceptions, and what the policy refused.
    pub(crate) fn trouble(&self) -> Vec<&Value> {
        let wrong = |told: &&Value| {
            told["method"] == "Runtime.exceptionThrown"
                || told.to_string().contains("Content Security Policy")
        };
        self.told.iter().filter(wrong).collect()
    }

    fn call(&mut self, tab: &Tab, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if !tab.0.is_empty() {
            call["sessionId"] = json!(tab.0);
        }
        self.socket
            .send(Message::text(call.to_string()))
            .expect("it listens");
        loop {
            let mut told = self.read();
            if told["id"] == self.calls {
                assert!(told["error"].is_null(), "{method}: {told}");
                return told["result"].take();
            }
            self.told.push_back(told);
        }
    }

    fn event(&mut self, tab: &Tab, method: &str) {
        let is = |told: &Value| told["method"] == method && told["sessionId"] == tab.0;
        if let Some(place) = self.told.iter().position(is) {
            drop(self.told.remove(place));
            return;
        }
        loop {
            let told = self.read();
            if is(&told) {
                return;
            }
            self.told.push_back(told);
        }
    }

    fn read(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return serde_json::from_str(&text).expect("it speaks JSON");
                }
                Ok(_) => {}
                // A child has ended meanwhile.
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("it does not answer: {error}"),
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
