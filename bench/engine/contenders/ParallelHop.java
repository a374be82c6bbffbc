import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Confluent's Parallel Consumer in key order: servers group input output inFlight waits transactional commitMs schema. */
public final class ParallelHop {
  private static final byte[] HEADER = {0, 0, 0, 0, 1};
  private static final AtomicBoolean BEGAN = new AtomicBoolean();

  private final Schema schema;
  private final boolean waits;

  private ParallelHop(Schema schema, boolean waits) {
    this.schema = schema;
    this.waits = waits;
  }

  public static void main(String[] args) {
    boolean transactional = Boolean.parseBoolean(args[6]);
    Properties common = new Properties();
    common.put("bootstrap.servers", args[0]);
    Properties reading = new Properties();
    reading.putAll(common);
    reading.put("group.id", args[1]);
    reading.put("auto.offset.reset", "earliest");
    reading.put("enable.auto.commit", "false");
    reading.put("isolation.level", "read_committed");
    reading.put("max.poll.records", "2000");
    Properties writing = new Properties();
    writing.putAll(common);
    writing.put("acks", "all");
    writing.put("linger.ms", "5");
    if (transactional) {
      writing.put("transactional.id", args[1] + "-0");
    }
    var options =
        ParallelConsumerOptions.<byte[], byte[]>builder()
            .ordering(ProcessingOrder.KEY)
            .commitMode(
                transactional
                    ? CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER
                    : CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
            .commitInterval(Duration.ofMillis(Long.parseLong(args[7])))
            .maxConcurrency(Integer.parseInt(args[4]))
            .consumer(new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer()))
            .producer(new KafkaProducer<>(writing, new ByteArraySerializer(), new ByteArraySerializer()))
            .build();
    var hop = new ParallelHop(new Schema.Parser().parse(args[8]), Boolean.parseBoolean(args[5]));
    var processor = ParallelStreamProcessor.<byte[], byte[]>createEosStreamProcessor(options);
    processor.subscribe(List.of(args[2]));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> processor.closeDontDrainFirst(Duration.ofSeconds(5))));
    processor.pollAndProduce(
        context -> new ProducerRecord<>(args[3], context.key(), hop.handled(context.value())));
  }

  private byte[] handled(byte[] value) {
    if (BEGAN.compareAndSet(false, true)) {
      System.out.println("{\"began\": " + System.currentTimeMillis() / 1000.0 + "}");
      System.out.flush();
    }
    try {
      var stream = new ByteArrayInputStream(value, HEADER.length, value.length - HEADER.length);
      GenericRecord record =
          new GenericDatumReader<GenericRecord>(schema)
              .read(null, DecoderFactory.get().directBinaryDecoder(stream, null));
      if (waits) {
        Thread.sleep(Math.round((Double) record.get("latency_seconds") * 1000));
      }
      var bytes = new ByteArrayOutputStream(value.length);
      bytes.write(HEADER);
      BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
      new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
      encoder.flush();
      return bytes.toByteArray();
    } catch (IOException error) {
      throw new IllegalStateException(error);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(error);
    }
  }
}
