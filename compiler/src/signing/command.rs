//! Signing by a command, for keys that never leave a key service.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::encoding::jws_form;
use super::{SignError, Signer};

/// How long a signature may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the output of a command that has ended may take to come through.
const GRACE: Duration = Duration::from_secs(1);
/// Most bytes that are read of what a command prints.
const OUTPUT: u64 = 65_536;
/// How often a command is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Signs by running `sh -c COMMAND`: what is to be signed comes on standard input, `SIDEGATE_ALGORITHM` and
/// `SIDEGATE_KEY_ID` are set, and the signature is printed in base64 or base64url. ECDSA signatures may be
/// in DER or both halves.
#[derive(Clone, Debug)]
pub struct CommandSigner {
    command: String,
    algorithm: String,
    key_id: String,
    patience: Duration,
}

impl CommandSigner {
    /// A signer that runs `command` for each signature.
    pub fn new(command: &str, algorithm: &str, key_id: &str) -> Self {
        Self {
            command: command.to_owned(),
            algorithm: algorithm.to_owned(),
            key_id: key_id.to_owned(),
            patience: PATIENCE,
        }
    }

    /// The same with another time-out than the usual minute.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn refuse(&self, got: &str, errors: &[u8]) -> SignError {
        let shown = String::from_utf8_lossy(errors);
        let shown = shown.trim();
        let says = if shown.is_empty() { String::new() } else { format!("; it says:\n{shown}") };
        SignError::Command(format!("expected a signature from `{}`, got {got}{says}", self.command))
    }

    fn wait(&self, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
        let deadline = Instant::now().checked_add(self.patience);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Signer for CommandSigner {
    fn algorithm(&self) -> &str {
        &self.algorithm
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |error: std::io::Error| self.refuse(&format!("an error: {error}"), &[]);
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .env("SIDEGATE_ALGORITHM", &self.algorithm)
            .env("SIDEGATE_KEY_ID", &self.key_id)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            let message = message.to_vec();
            // A command that does not read all of it has no signature of it: that shows in the end.
            std::thread::spawn(move || input.write_all(&message));
        }
        let (output, errors) = (read(child.stdout.take()), read(child.stderr.take()));
        let status = self.wait(&mut child).map_err(failed)?;
        // Something that it left running may hold the pipes open: nobody waits for that.
        let [output, errors] = [output, errors].map(|it| it.recv_timeout(GRACE).unwrap_or_default());
        match status {
            None => {
                return Err(self.refuse(&format!("none within {} s", self.patience.as_secs_f32()), &errors));
            }
            Some(status) if !status.success() => return Err(self.refuse(&status.to_string(), &errors)),
            Some(_) => {}
        }
        let signature = decode(&output)
            .filter(|signature| !signature.is_empty())
            .ok_or_else(|| self.refuse("text that is no base64 or base64url", &errors))?;
        jws_form(&self.algorithm, signature).map_err(|error| self.refuse(&error.to_string(), &errors))
    }
}

fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(OUTPUT).read_to_end(&mut bytes);
            // A command that prints more must not hang in it.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// Base64 in either alphabet, with or without padding, over any number of lines.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    for byte in &mut text {
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text).ok()
}
