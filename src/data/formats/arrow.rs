//! Arrow: the stream format, and the file format (Feather version 2), whose footer lists the messages. Memory: one record batch, and all
//! dictionaries.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{CompressionType, DictionaryBatch, DictionaryBatchArgs, Message, MessageArgs, MessageHeader, RecordBatchArgs};
use arrow_schema::SchemaRef;
use flatbuffers::{FlatBufferBuilder, WIPOffset};

use super::batches::{Batches, Rows};
use super::codec::{Codec, decompress};
use super::error::{Format, FormatError};
use super::input::Source;

/// The first bytes of a message. Without them, the message is of a version before 0.15 and begins with its length.
const MARKER: [u8; 4] = [0xff; 4];
/// Bytes that are allocated at once for a message. If it is longer, the rest is allocated while it is read.
const AT_ONCE: u64 = 16 << 20;

/// An Arrow stream or file.
pub(super) struct Arrow<'a> {
    messages: Messages<'a>,
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    used: Option<Vec<usize>>,
}

/// The metadata and the body of a message.
struct Parts {
    head: Vec<u8>,
    body: Vec<u8>,
}

fn damaged(problem: impl std::fmt::Display) -> FormatError {
    FormatError::damaged(Format::Arrow, problem)
}

/// Where the messages after the schema are.
enum Messages<'a> {
    /// One after the other.
    Stream(Box<dyn Read + 'a>),
    /// At these places of a file.
    Blocks(Source, std::vec::IntoIter<u64>),
}

impl<'a> Arrow<'a> {
    fn rows(schema: arrow_ipc::Schema, messages: Messages<'a>) -> Result<Rows<Self>, FormatError> {
        let schema = SchemaRef::new(try_fb_to_schema(schema).map_err(damaged)?);
        Ok(Rows::new(Format::Arrow, &schema, Self { messages, schema: schema.clone(), dictionaries: HashMap::new(), used: None }))
    }

    fn message(&mut self) -> Result<Option<Parts>, FormatError> {
        match &mut self.messages {
            Messages::Stream(reader) => message(reader),
            Messages::Blocks(source, places) => {
                let Some(place) = places.next() else { return Ok(None) };
                message(&mut BufReader::new(source.reader(place, source.len())))
            }
        }
    }
}

/// Opens an Arrow stream.
pub(super) fn stream<'a>(mut reader: Box<dyn Read + 'a>) -> Result<Rows<Arrow<'a>>, FormatError> {
    let Parts { head, .. } = message(&mut reader)?.ok_or_else(|| damaged("it has no schema"))?;
    let first = arrow_ipc::root_as_message(&head).map_err(damaged)?;
    Arrow::rows(first.header_as_schema().ok_or_else(|| damaged("it has no schema"))?, Messages::Stream(reader))
}

/// Opens an Arrow file. Its end is: footer, length of the footer in 4 bytes, `ARROW1`. Without the footer it could be read as a stream, but
/// polars does not write the first message as a stream has it.
pub(super) fn file(source: Source) -> Result<Rows<Arrow<'static>>, FormatError> {
    let short = || damaged("its end is missing");
    let start = source.len().checked_sub(10).ok_or_else(short)?;
    let tail = source.read(start, 10)?;
    let length = tail.strip_suffix(b"ARROW1").and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    let length = u64::from(length.ok_or_else(short)?);
    let footer = source.read(start.checked_sub(length).ok_or_else(short)?, length)?;
    let footer = arrow_ipc::root_as_footer(&footer).map_err(damaged)?;
    let blocks = footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    let places = blocks.map(|block| u64::try_from(block.offset()).map_err(damaged)).collect::<Result<Vec<_>, _>>()?;
    let schema = footer.schema().ok_or_else(|| damaged("it has no schema"))?;
    Arrow::rows(schema, Messages::Blocks(source, places.into_iter()))
}

fn read_exactly(reader: &mut impl Read, count: u64) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::with_capacity(usize::try_from(count.min(AT_ONCE)).unwrap_or(0));
    let found = reader.take(count).read_to_end(&mut bytes)?;
    if found as u64 == count { Ok(bytes) } else { Err(damaged("it ends within a message")) }
}

/// The next message: metadata and body. `None` at the end.
fn message(reader: &mut impl Read) -> Result<Option<Parts>, FormatError> {
    let mut length = vec![];
    reader.by_ref().take(4).read_to_end(&mut length)?;
    if length.is_empty() {
        return Ok(None); // a stream may end without a mark
    }
    if length == MARKER {
        length = read_exactly(reader, 4)?;
    }
    let length = length.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(|| damaged("it ends within a message"))?;
    if length == 0 {
        return Ok(None);
    }
    let head = read_exactly(reader, length.into())?;
    let body = arrow_ipc::root_as_message(&head).map_err(damaged)?.bodyLength();
    let body = read_exactly(reader, u64::try_from(body).map_err(damaged)?)?;
    Ok(Some(Parts { head, body }))
}

impl Batches for Arrow<'_> {
    fn next(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        while let Some(mut parts) = self.message()? {
            let message = arrow_ipc::root_as_message(&parts.head).map_err(damaged)?;
            if let Some(changed) = check(&message, &parts.body)? {
                parts = changed;
            }
            let message = arrow_ipc::root_as_message(&parts.head).map_err(damaged)?;
            let (body, version) = (Buffer::from_vec(parts.body), message.version());
            if let Some(batch) = message.header_as_record_batch() {
                let schema = self.schema.clone();
                let batch = read_record_batch(&body, batch, schema, &self.dictionaries, self.used.as_deref(), &version);
                return batch.map(Some).map_err(damaged);
            }
            if let Some(batch) = message.header_as_dictionary_batch() {
                read_dictionary(&body, batch, &self.schema, &mut self.dictionaries, &version).map_err(damaged)?;
            }
        }
        Ok(None)
    }

    fn only(&mut self, used: &[bool]) -> Result<(), FormatError> {
        self.used = Some(used.iter().enumerate().filter(|(_, used)| **used).map(|(at, _)| at).collect());
        Ok(())
    }
}

/// Checks that the parts of a record batch are in its body, which arrow-ipc does not. If they are compressed, returns metadata and body
/// without compression: arrow-ipc would allocate what the message claims.
fn check(message: &Message, body: &[u8]) -> Result<Option<Parts>, FormatError> {
    let dictionary = message.header_as_dictionary_batch();
    let Some(batch) = message.header_as_record_batch().or_else(|| dictionary.as_ref().and_then(DictionaryBatch::data)) else {
        return Ok(None);
    };
    let mut parts = vec![];
    for part in batch.buffers().into_iter().flatten() {
        let range = usize::try_from(part.offset()).ok().zip(usize::try_from(part.length()).ok());
        let bytes = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        parts.push(bytes.ok_or_else(|| damaged("a buffer is outside its batch"))?);
    }
    let codec = match batch.compression().map(|c| c.codec()) {
        None => None,
        Some(CompressionType::LZ4_FRAME) => Some(Codec::Lz4Frame),
        Some(CompressionType::ZSTD) => Some(Codec::Zstd),
        Some(_) => return Err(FormatError::unsupported(Format::Arrow, "an unknown compression", "write it with lz4 or zstd")),
    };
    let Some(codec) = codec else {
        plausible(&batch, body.len())?;
        return Ok(None);
    };
    let mut plain = Vec::with_capacity(body.len());
    let mut buffers = vec![];
    for part in parts {
        let start = plain.len();
        if let Some((size, packed)) = part.split_first_chunk::<8>() {
            match i64::from_le_bytes(*size) {
                -1 => plain.extend(packed),
                size => {
                    let size = usize::try_from(size).map_err(damaged)?;
                    plain.extend(if size == 0 { vec![] } else { decompress(codec, packed, size).map_err(damaged)? });
                }
            }
        } else if !part.is_empty() {
            return Err(damaged("a compressed buffer has no length"));
        }
        buffers.push(arrow_ipc::Buffer::new(signed(start), signed(plain.len() - start)));
        plain.resize(plain.len().next_multiple_of(16), 0);
    }
    plausible(&batch, plain.len())?;
    Ok(Some(Parts { head: rebuilt(message, &batch, dictionary.as_ref(), &buffers, plain.len()), body: plain }))
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Checks that a batch has a byte for each 8 rows. Columns without buffers could claim any number of rows.
fn plausible(batch: &arrow_ipc::RecordBatch, bytes: usize) -> Result<(), FormatError> {
    let lengths = batch.nodes().into_iter().flatten().flat_map(|node| [node.length(), node.null_count()]);
    let most = signed(bytes).saturating_mul(8);
    if lengths.chain([batch.length()]).all(|length| (0..=most).contains(&length)) {
        Ok(())
    } else {
        Err(damaged("a batch has fewer values than rows"))
    }
}

/// The metadata of a message with other buffers.
fn rebuilt(
    message: &Message,
    batch: &arrow_ipc::RecordBatch,
    dictionary: Option<&DictionaryBatch>,
    buffers: &[arrow_ipc::Buffer],
    body: usize,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let nodes: Vec<arrow_ipc::FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
    let nodes = builder.create_vector(&nodes);
    let buffers = builder.create_vector(buffers);
    let counts: Option<Vec<i64>> = batch.variadicBufferCounts().map(|counts| counts.iter().collect());
    let counts = counts.map(|counts| builder.create_vector(&counts));
    let parts = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(nodes),
        buffers: Some(buffers),
        compression: None,
        variadicBufferCounts: counts,
    };
    let data = arrow_ipc::RecordBatch::create(&mut builder, &parts);
    let header: WIPOffset<flatbuffers::UnionWIPOffset> = match dictionary {
        Some(d) => {
            let parts = DictionaryBatchArgs { id: d.id(), data: Some(data), isDelta: d.isDelta() };
            DictionaryBatch::create(&mut builder, &parts).as_union_value()
        }
        None => data.as_union_value(),
    };
    let header_type = if dictionary.is_some() { MessageHeader::DictionaryBatch } else { MessageHeader::RecordBatch };
    let parts =
        MessageArgs { version: message.version(), header_type, header: Some(header), bodyLength: signed(body), custom_metadata: None };
    let whole = Message::create(&mut builder, &parts);
    builder.finish(whole, None);
    builder.finished_data().to_vec()
}
